"""Keys that a revert may not bring back."""

from __future__ import annotations

from typing import Any

import keys

HERE = "/etc/ssh/authorized_keys.d"
ALICE, OLD, OPER = (f"ssh-ed25519 AAAAC3Nza{name} {name.lower()}" for name in ("ALICE", "OLD", "OPER"))


def order(**files: str) -> dict[str, Any]:
    entries = [{"path": f"{HERE}/{name}", "bytes": text.encode()} for name, text in files.items()]
    return {"key_directory": HERE, "login_as": "oper", "files": entries}


def test_a_revoked_key_is_left_out_of_the_old_file() -> None:
    finals = keys.Finals(order(alice=ALICE))
    old = f'{ALICE}\nfrom="10.0.0.0/8" {OLD}\n# note\n'.encode()
    assert finals.instead(f"{HERE}/alice", old) == f"{ALICE}\n# note\n".encode()


def test_a_file_without_revoked_keys_comes_back_as_it_is() -> None:
    assert keys.Finals(order(alice=ALICE)).instead(f"{HERE}/alice", ALICE.encode()) is None


def test_the_operators_own_file_comes_back_whole() -> None:
    assert keys.Finals(order(alice=ALICE)).instead(f"{HERE}/oper", OLD.encode()) is None
    assert not keys.Finals(order(alice=ALICE)).gone(f"{HERE}/oper")


def test_a_person_who_is_gone_stays_gone() -> None:
    assert keys.Finals(order(alice=ALICE)).gone(f"{HERE}/bob")
    assert not keys.Finals(order(alice=ALICE)).gone("/etc/sudoers.d/bob")


def test_options_before_the_key_are_skipped() -> None:
    line = 'restrict,from="192.0.2.0/24" sk-ssh-ed25519@openssh.com AAAAGnNrLXNz alice yubikey'
    assert keys.blob_of(line) == "AAAAGnNrLXNz"
    assert keys.blob_of("# ssh-ed25519 is the type to use") is None
