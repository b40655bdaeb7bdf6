"""The firewall drops everything that nobody declared, on IPv4 and IPv6, also from inner networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verify.nft import Ruleset
from verify.outcome import empty

if TYPE_CHECKING:
    from verify.target import Target

DHCP: Final = {("udp", 68), ("udp", 546)}
"""Where answers to the host's own address requests arrive; no reply is known to the connection tracking."""


def rules(target: Target) -> Ruleset:
    """The host's rule set."""
    data = target.inside()["nft"]
    assert data is not None, "there is no nft on the host, or it cannot list its rules"
    return Ruleset(data)


def test_inbound_is_closed(target: Target) -> None:
    """What no rule accepts is dropped."""
    families = {one["family"] for one in rules(target).closed("input")}
    missing = [name for name, family in (("IPv4", "ip"), ("IPv6", "ip6")) if not families & {"inet", family}]
    assert not missing, f"nothing drops what comes in on {' and '.join(missing)}"


def test_forwarding_is_closed(target: Target) -> None:
    """What no rule accepts is not passed on between networks either."""
    if target.expected.host.get("forwards") not in (None, "none"):
        target.note(f"the host is declared to forward: {target.expected.host['forwards']}")
    families = {one["family"] for one in rules(target).closed("forward")}
    missing = [name for name, family in (("IPv4", "ip"), ("IPv6", "ip6")) if not families & {"inet", family}]
    assert not missing, f"nothing drops what would be passed on over {' and '.join(missing)}"


def test_rules_are_declared(target: Target) -> None:
    """No rule accepts a port that nobody declared, or for more than it was declared for, and none everything."""
    problems = []
    for accept in rules(target).accepts("input"):
        if accept.harmless:
            continue
        if not accept.ports:
            problems.append(f"accepts more than named ports: {accept.text}")
        for proto, first, last in sorted(accept.ports):
            if last - first > 1000:
                problems.append(f"accepts {first}-{last}/{proto}: {accept.text}")
                continue
            for port in range(first, last + 1):
                doors = target.expected.declared(proto, port)
                if (proto, port) not in DHCP and not doors:
                    problems.append(f"accepts {port}/{proto}: {accept.text}")
                elif doors and accept.anybody and not any("any" in one.sources for one in doors):
                    problems.append(f"accepts {port}/{proto} from anywhere, declared for some only: {accept.text}")
    empty(list(dict.fromkeys(problems)), "the firewall accepts what nobody declared")
