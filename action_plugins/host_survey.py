"""host_survey: have a host tell what runs on it, and judge what it says before anybody works with it.

Whoever holds the host chooses each word of the answer, and anybody on it the names and comments. From it an inventory
is drafted, whose texts Ansible renders on the controller, and lines are shown that are to be pasted into one.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible.plugins.action import ActionBase

if TYPE_CHECKING:
    from collections.abc import Callable

# Entries of a list: more than any host has, and few enough to be worked through.
MOST = 20_000
# Characters of a text; whoever reads it needs no more, and who wrote it may have been anybody.
LONGEST = 1000
UIDS = range(2**32)


class Rule(NamedTuple):
    """What one value has to be: in words, and as a test."""

    right: str
    fits: Callable[[Any], bool]


def number(numbers: range) -> Rule:
    """Return the rule for a whole number among `numbers`."""
    right = f"a whole number from {numbers[0]} to {numbers[-1]}"
    return Rule(right, lambda value: isinstance(value, int) and not isinstance(value, bool) and value in numbers)


def word(right: str, pattern: str) -> Rule:
    """Return the rule for a text of a pattern."""
    return Rule(right, lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None)


def is_address(value: Any) -> bool:
    """Tell whether a value is an address without a scope, behind whose % anything may stand."""
    try:
        return isinstance(value, str) and "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


# Shown and never obeyed, so whatever the host says is made fit for that: a sentence, and a name of an account.
TEXT, NAME = "text", "name"
YES_OR_NO = Rule("true or false", lambda value: isinstance(value, bool))
PROTOCOL = word("tcp or udp", "tcp|udp")
PORT = number(range(1, 65536))
# As preflight takes them, without what a terminal or a template would obey.
CARD = Rule(
    "the name of a network card",
    lambda value: (
        isinstance(value, str) and value.isprintable() and bool(re.fullmatch(r"""[^\s/"'{}%\\]{1,15}""", value))
    ),
)
KEY_TYPE = "(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+"
SURVEY: dict[str, Any] = {
    "hostname": TEXT,
    "listeners": [
        {
            "proto": PROTOCOL,
            "address": Rule("an address or *", lambda value: value == "*" or is_address(value)),
            "port": PORT,
            "program": TEXT,
            "user": TEXT,
            "unit": TEXT,
        }
    ],
    # A range may begin at 0.
    "published": [{"proto": PROTOCOL, "port": number(range(65536)), "last": PORT}],
    "keys": [
        {
            "account": NAME,
            "file": TEXT,
            "type": word("a type of key", KEY_TYPE),
            "public": word("a public key (type base64)", f"{KEY_TYPE} [A-Za-z0-9+/]+={{0,2}}"),
            "fingerprint": word("a fingerprint", "SHA256:[A-Za-z0-9+/]{43}"),
            "comment": TEXT,
            "options": TEXT,
        }
    ],
    "accounts": [
        {
            "name": NAME,
            "uid": number(UIDS),
            "shell": TEXT,
            "password": YES_OR_NO,
            "sudo": word("none, password or nopasswd", "none|password|nopasswd"),
        }
    ],
    "strangers": [NAME],
    "ssh_ports": [PORT],
    "networks": [
        {"interface": CARD, "addresses": [Rule("an address without a scope", is_address)], "default": YES_OR_NO}
    ],
    "docker": YES_OR_NO,
    "tunnels": [CARD],
    "forwarding": YES_OR_NO,
    "nftables": YES_OR_NO,
}
PACKAGE = word("the name of a package", "[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?")
# What the module host_extras adds where it was asked.
EXTRAS: dict[str, Any] = {
    "packages": [PACKAGE],
    "held": [PACKAGE],
    "units": [word("the name of a unit", r"[A-Za-z0-9:_.@\\-]{1,255}")],
    "setuid": [{"path": TEXT, "package": word("the name of a package, or nothing", "([a-z0-9][a-z0-9+.-]+)?")}],
    "searched": YES_OR_NO,
}
PARTS = ("packages", "units", "setuid")


class NoAnswerError(Exception):
    """The host could not be looked at; the text is the module's."""


def no_survey(field: str, found: Any, right: str) -> ValueError:
    """Return the error for a field that cannot be taken."""
    shown = str(found)
    return ValueError(f"{field} is {shown[:60]!r}{'…' if len(shown) > 60 else ''}, not {right}")


def judged(value: Any, shape: Any, field: str, one_line: Callable[[str], str]) -> Any:
    """Return a value as it may be worked with: of its shape, with texts made printable, and nothing besides.

    :param shape: as in :data:`SURVEY`.
    :param field: where the value stands.
    :param one_line: makes a text printable.
    :raises ValueError: it has another shape.
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise no_survey(field, value, "keys with values")
        if missing := sorted(set(shape) - set(value)):
            raise ValueError(f"{'.'.join([*filter(None, [field]), missing[0]])} is missing")
        return {
            name: judged(value[name], inner, f"{field}.{name}" if field else name, one_line)
            for name, inner in shape.items()
        }
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise no_survey(field, value, "a list")
        if len(value) > MOST:
            raise ValueError(f"{field} has {len(value)} entries, and more than {MOST} are not worked through")
        return [judged(entry, shape[0], f"{field}[{place}]", one_line) for place, entry in enumerate(value)]
    if isinstance(shape, Rule):
        if not shape.fits(value):
            raise no_survey(field, value, shape.right)
        return value
    if not isinstance(value, str):
        raise no_survey(field, value, "a text")
    if shape == TEXT:
        return one_line(value)[:LONGEST]
    if not value:
        raise no_survey(field, value, "the name of an account")
    # With anything else a name could be pasted into an inventory as a template; a ? is in no name that is declared.
    return re.sub(r"[^\w.+@\\$-]", "?", value[:LONGEST])


def judge(found: Any, one_line: Callable[[str], str]) -> dict[str, Any]:
    """Return a survey that can be worked with.

    :param found: what the host says.
    :param one_line: makes a text printable.
    :raises ValueError: it is no survey; the text names the field.
    """
    survey: dict[str, Any] = judged(found, SURVEY, "", one_line)
    if not survey["ssh_ports"]:
        raise ValueError("ssh_ports is empty")
    for place, ports in enumerate(survey["published"]):
        if ports["last"] < ports["port"]:
            raise no_survey(f"published[{place}].last", ports["last"], "the end of a range")
    for place, key in enumerate(survey["keys"]):
        kind, blob = key["public"].split(" ")
        try:
            digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
        except ValueError:
            raise no_survey(f"keys[{place}].public", key["public"], "a public key (type base64)") from None
        # By the fingerprint it is decided whose key it is.
        if key["fingerprint"] != "SHA256:" + base64.b64encode(digest).decode().rstrip("="):
            raise no_survey(f"keys[{place}].fingerprint", key["fingerprint"], "that of its key")
        if key["type"] != kind:
            raise no_survey(f"keys[{place}].type", key["type"], "that of its key")
    return survey


def judge_extras(found: Any, one_line: Callable[[str], str]) -> dict[str, Any]:
    """Return what a host has beyond what is allowed, as it can be worked with; as :func:`judge`."""
    extras: dict[str, Any] = judged(found, EXTRAS, "extras", one_line)
    return extras


def allowed_on(survey: dict[str, Any], allowed: dict[str, Any]) -> dict[str, list[str]]:
    """Return the patterns of what may be on a host, as the `allowed` filter gives them once its draft is declared."""
    kinds = ["plain", *(["docker"] if survey["docker"] else ["wireguard"] if survey["tunnels"] else [])]
    return {part: [one for kind in kinds for one in (allowed.get(kind) or {}).get(part) or []] for part in PARTS}


class ActionModule(ActionBase):
    """The module of the same name, and a judgement of its answer."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at the host; fail where what it says cannot be taken."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec({"allowed": {"type": "dict", "default": {}}})
        one_line = self._shared_loader_obj.action_loader.get("fresh_login", class_only=True).one_line
        try:
            survey = judge(self._answer("host_survey", {}, variables), one_line)
            if args["allowed"]:
                extras = self._answer("host_extras", allowed_on(survey, args["allowed"]), variables)
                survey["extras"] = judge_extras(extras, one_line)
        except NoAnswerError as error:
            return {**result, "failed": True, "msg": one_line(str(error))}
        except ValueError as error:
            msg = f"nothing was drafted or changed: what {variables['inventory_hostname']} tells of itself is no survey"
            return {**result, "failed": True, "msg": one_line(f"{msg}: {error}")}
        return {**result, "changed": False, **survey}

    def _answer(self, module: str, arguments: dict[str, Any], variables: dict[str, Any]) -> Any:
        """Return what a module says of the host.

        :raises NoAnswerError: it failed.
        """
        found = self._execute_module(module_name=module, module_args=arguments, task_vars=variables, wrap_async=False)
        if found.get("failed"):
            raise NoAnswerError(" ".join(str(found[name]) for name in ("msg", "module_stderr") if found.get(name)))
        return found
