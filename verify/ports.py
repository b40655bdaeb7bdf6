"""Judging what answered from outside: the same for TCP and UDP."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from verify.expected import admits
from verify.outcome import not_applicable

if TYPE_CHECKING:
    from verify.expected import Listen
    from verify.target import Target

Answer = dict[str, Any]


def heard(target: Target, family: int, answers: dict[int, Answer]) -> Answer:
    """One family's answer; ends the check when the host or this side does not have that family."""
    if family not in target.outside.families():
        not_applicable(f"the host has no public IPv{family} address")
    answer = answers[family]
    if "unreachable" in answer["error"] and not target.outside.prefix and len(answers) > 1:
        not_applicable(f"there is no IPv{family} from here: {answer['error']}; run it with an outsider that has it")
    assert not answer["error"], f"nothing could be asked: {answer['error']}"
    return answer


def undeclared(target: Target, proto: str, family: int, answer: Answer) -> list[str]:
    """Ports that answered though nobody declared them, or not for where this side comes from."""
    problems = []
    for text, how in answer["found"].items():
        doors = [one for one in target.expected.public(proto) if one.port == int(text)]
        if not doors:
            problems.append(f"{text}/{proto} is {how}, and nobody declared it")
        elif not any(admits(one.sources, answer["source"]) for one in doors):
            if translated(target, family, answer["source"]):
                target.note(f"{text}/{proto} answers {answer['source']}, which is translated on its way")
            else:
                problems.append(f"{text}/{proto} is {how} for {answer['source']}, which it was not declared for")
    return problems


def wanted(target: Target, proto: str, answer: Answer) -> list[Listen]:
    """Doors that were declared for where this side comes from; ends the check when there is none."""
    found = {one.port: one for one in target.expected.public(proto) if admits(one.sources, answer["source"])}
    if not found:
        not_applicable(f"no {proto.upper()} port is declared for {answer['source']}: closed cannot be told from absent")
    return [door for _, door in sorted(found.items())]


def translated(target: Target, family: int, source: str) -> bool:
    """Whether a private address meets a public one, so that the host sees another address than this side has."""
    address = ipaddress.ip_address(target.outside.addresses[family])
    return ipaddress.ip_address(source).is_private and not address.is_private
