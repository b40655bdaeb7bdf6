"""Reading a rule set as `nft -j list ruleset` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Entry = dict[str, Any]


@dataclass(frozen=True)
class Accept:
    """One rule that lets packets in: which ports of which protocol, or everything, and how it reads."""

    ports: frozenset[tuple[str, int, int]]
    """(protocol, first, last); empty when the rule names none."""
    harmless: bool
    """Replies, loopback and control messages: a rule that opens no port by itself."""
    interfaces: frozenset[str]
    anybody: bool
    """Wherever it comes from."""
    text: str


class Ruleset:
    """The chains of a rule set and what they accept."""

    def __init__(self, data: Entry) -> None:
        """Sort the objects by table."""
        objects = [one for one in data.get("nftables") or [] if isinstance(one, dict)]
        self.chains = [one["chain"] for one in objects if "chain" in one]
        self.rules = [one["rule"] for one in objects if "rule" in one]
        self.sets = {
            (one[kind]["family"], one[kind]["table"], one[kind]["name"]): one[kind]
            for one in objects
            for kind in ("set", "map")
            if kind in one
        }

    def closed(self, hook: str) -> list[Entry]:
        """Base chains of a filter hook that drop what nothing accepted."""
        return [one for one in self.chains if one.get("hook") == hook and one.get("policy") == "drop"]

    def of(self, family: str, table: str, chain: str) -> list[Entry]:
        """Rules of one chain."""
        return [one for one in self.rules if (one["family"], one["table"], one["chain"]) == (family, table, chain)]

    def chain_rules(self, chain: Entry, depth: int = 0) -> Iterator[tuple[Entry, list[Any]]]:
        """Rules that a packet in a chain meets, with the matches that led there."""
        for rule in self.of(chain["family"], chain["table"], chain["name"]):
            expr = rule.get("expr") or []
            yield rule, expr
            for name in self._targets(rule, expr):
                below = next(
                    (
                        one
                        for one in self.chains
                        if one["name"] == name and one["table"] == rule["table"] and one["family"] == rule["family"]
                    ),
                    None,
                )
                if below and depth < 8:
                    for inner, more in self.chain_rules(below, depth + 1):
                        yield inner, [one for one in expr if "match" in one] + more

    def _targets(self, rule: Entry, expr: list[Any]) -> Iterator[str]:
        for one in expr:
            for verdict in ("jump", "goto"):
                if verdict in one:
                    yield one[verdict]["target"]
            for element in self.elements(rule, (one.get("vmap") or {}).get("data")):
                if isinstance(element, list) and len(element) == 2:
                    for verdict in ("jump", "goto"):
                        if isinstance(element[1], dict) and verdict in element[1]:
                            yield element[1][verdict]["target"]

    def elements(self, rule: Entry, value: Any) -> list[Any]:
        """Members of a literal or a named set."""
        if isinstance(value, str) and value.startswith("@"):
            found = self.sets.get((rule["family"], rule["table"], value[1:]), {}).get("elem") or []
            return [one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one for one in found]
        if isinstance(value, dict) and "set" in value:
            return list(value["set"])
        return [] if value is None else [value]

    def accepts(self, hook: str) -> list[Accept]:
        """Everything that the closed chains of a hook let in."""
        found = []
        for chain in self.closed(hook):
            for rule, expr in self.chain_rules(chain):
                accepting = any("accept" in one for one in expr)
                by_map = [one["vmap"] for one in expr if "vmap" in one]
                if accepting:
                    found.append(self._accept(rule, expr))
                found += [one for vmap in by_map for one in self._vmap_accepts(rule, expr, vmap)]
        return found

    def _vmap_accepts(self, rule: Entry, expr: list[Any], vmap: Entry) -> Iterator[Accept]:
        for element in self.elements(rule, vmap.get("data")):
            pair = element if isinstance(element, list) and len(element) == 2 else [None, None]
            if isinstance(pair[1], dict) and "accept" in pair[1]:
                match = {"match": {"op": "==", "left": vmap["key"], "right": element[0]}}
                yield self._accept(rule, [*[one for one in expr if "match" in one], match])

    def _accept(self, rule: Entry, expr: list[Any]) -> Accept:
        protos: set[str] = set()
        spans: set[tuple[int, int]] = set()
        concatenated: set[tuple[str, int, int]] = set()
        interfaces: set[str] = set()
        harmless, anybody = False, True
        shown = []
        for one in expr:
            match = one.get("match")
            if not match or match.get("op") == "!=":
                continue
            left, values = match["left"], self.elements(rule, match["right"])
            if match.get("op") == "in" and isinstance(match["right"], list):
                values = match["right"]
            values = (
                [inner for value in values for inner in (value if isinstance(value, list) else [value])]
                if "concat" not in left
                else values
            )
            shown.append(f"{name_of(left)} {_short(values)}")
            kind = name_of(left)
            if kind in ("tcp dport", "udp dport", "th dport"):
                protos |= {kind.split()[0]} - {"th"}
                spans |= {span_of(value) for value in values}
            elif kind in ("meta l4proto", "ip protocol", "ip6 nexthdr"):
                names = {str(value) for value in values}
                protos |= names & {"tcp", "udp"}
                harmless = harmless or not names & {"tcp", "udp", "sctp", "dccp", "6", "17"}
            elif kind in ("icmp type", "icmpv6 type"):
                harmless = True
            elif kind == "ct state":
                harmless = harmless or {str(value) for value in values} <= {"established", "related"}
            elif kind in ("meta iifname", "meta iif"):
                interfaces |= {str(value) for value in values}
                harmless = harmless or interfaces == {"lo"}
            elif kind in ("ip saddr", "ip6 saddr"):
                anybody = False
            elif "concat" in left:
                concatenated |= _concatenated(left["concat"], values)
        ports = {(proto, *span) for span in spans for proto in (protos or {"tcp", "udp"})} | concatenated
        return Accept(
            frozenset(ports),
            harmless and not ports,
            frozenset(interfaces),
            anybody,
            f"{rule['family']} {rule['table']} {rule['chain']}: {', '.join(shown) or 'everything'} accept",
        )


def name_of(left: Any) -> str:
    """A match's left side in nft's words."""
    if isinstance(left, dict):
        if "payload" in left:
            return f"{left['payload'].get('protocol')} {left['payload'].get('field')}"
        for kind in ("meta", "ct"):
            if kind in left:
                side = f"{left[kind]['dir']} " if "dir" in left[kind] else ""
                return f"{kind} {side}{left[kind].get('key')}"
        if "concat" in left:
            return " . ".join(name_of(one) for one in left["concat"])
        if "&" in left:
            return name_of(left["&"][0])
    return str(left)[:60]


def span_of(value: Any) -> tuple[int, int]:
    """A port or a range as first and last."""
    if isinstance(value, dict) and "range" in value:
        return int(value["range"][0]), int(value["range"][1])
    if isinstance(value, dict) and "elem" in value:
        return span_of(value["elem"]["val"])
    try:
        return int(value), int(value)
    except (TypeError, ValueError):
        return 0, 65535


def _concatenated(parts: list[Any], values: list[Any]) -> set[tuple[str, int, int]]:
    """Ports in a set of concatenations, such as (protocol . port)."""
    names = [name_of(one) for one in parts]
    found = set()
    for value in values:
        row = value["elem"]["val"] if isinstance(value, dict) and "elem" in value else value
        row = row.get("concat", row) if isinstance(row, dict) else row
        if not isinstance(row, list):
            continue
        proto, span = "", None
        for name, item in zip(names, row, strict=False):
            if name.endswith("dport"):
                span = span_of(item)
                proto = proto or name.split()[0]
            elif name in ("meta l4proto", "ip protocol"):
                proto = str(item)
        if span:
            found |= {(one, *span) for one in ([proto] if proto in ("tcp", "udp") else ["tcp", "udp"])}
    return found


def _short(values: list[Any]) -> str:
    """Values for people, cut."""
    text = " ".join(str(value) for value in values)
    return text if len(text) < 80 else f"{text[:77]}…"
