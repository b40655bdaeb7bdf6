"""What a host in other hands tells of its keys opens no file of the controller and speaks for no other host."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from tests.fake_host import FakeHost
from tests.loading import load

ED25519 = "ssh-ed25519 " + base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32).decode()
ECDSA_HEAD = b"\x00\x00\x00\x13ecdsa-sha2-nistp256\x00\x00\x00\x08nistp256\x00\x00\x00\x41"
ECDSA = "ecdsa-sha2-nistp256 " + base64.b64encode(ECDSA_HEAD + b"e" * 65).decode()
LIVE, STAGED = "/etc/ssh/ssh_host_ed25519_key", "/var/lib/holdfast/ssh/ssh_host_ed25519_key"
FILES: list[dict[str, Any]] = [
    {"path": LIVE, "from_host": STAGED, "mode": "0600", "secret": True},
    {"path": f"{LIVE}.pub", "from_host": f"{STAGED}.pub", "mode": "0644"},
    {"path": "/etc/ssh/holdfast.moduli", "from_host": "/var/lib/holdfast/ssh/moduli", "mode": "0644"},
]
KEY = {"type": "ed25519", "path": LIVE, "public": ED25519, "fingerprint": "x", "bits": 256, "staged": STAGED, "why": ""}
ANSWER: dict[str, Any] = {
    "changed": True,
    "keys": [KEY],
    "offered": [ED25519],
    "live": [ECDSA],
    "files": FILES,
    "foreign": [],
    "plan": [],
    "moduli": {"path": "/etc/ssh/holdfast.moduli", "staged": None, "kept": 1, "dropped": 0},
}
NOT_PINNED = "cannot be trusted; nothing was pinned"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def prepared(host: FakeHost, **odd: Any) -> tuple[str, str]:
    """Run the two tasks of the role against a host that answers so; return what is shown, and what is pinned then."""
    pins = host.folder / "known_hosts"
    host.answers({**ANSWER, **odd})
    text = host.play(
        {"ssh_material": {"known_hosts": str(pins), "host_alias": "web1"}, "register": "ssh_prepared"},
        {"guard_stage": {"concern": "ssh", "files": [], "prepared": "{{ ssh_prepared.files }}"}, "register": "staged"},
        {"ansible.builtin.debug": {"msg": "staged {{ ansible_facts.guard_staged.values() | first | to_json }}"}},
    )
    return text, pins.read_text() if pins.exists() else ""


def test_a_host_s_keys_are_pinned_and_staged(host: FakeHost) -> None:
    text, pins = prepared(host)
    assert [line.split(" holdfast")[0] for line in pins.splitlines()] == [f"web1 {ED25519}", f"web1 {ECDSA}"], text
    assert STAGED in text.partition("staged ")[2]


SECRET = "the vault's password"


@pytest.mark.parametrize(
    "entry",
    [
        {"path": LIVE, "from_host": STAGED, "mode": "0600", "template": "SECRET"},
        {"path": "/root/x", "template": "SECRET"},
        {"path": LIVE, "from_host": "/etc/shadow", "mode": "0600", "secret": True},
        {"path": LIVE, "from_host": f"{STAGED}/../../../../../etc/shadow", "mode": "0600", "secret": True},
        {"path": "/etc/shadow", "from_host": STAGED, "mode": "0600", "secret": True},
        {"path": LIVE, "from_host": STAGED, "mode": "4755", "secret": True},
        {"path": LIVE, "from_host": STAGED, "mode": "0644"},
        {"path": LIVE, "from_host": STAGED, "mode": "0600", "secret": True, "owner": "mallory"},
        {"path": LIVE, "from_host": STAGED, "mode": "0600", "secret": True, "vars": {"a": "b"}},
        "SECRET",
    ],
)
def test_a_host_names_no_file_of_the_controller(host: FakeHost, entry: Any) -> None:
    place = host.folder / "secret"
    place.write_text(SECRET)
    if isinstance(entry, dict) and "template" in entry:
        entry = {**entry, "template": str(place)}
    text, _pins = prepared(host, files=[entry])
    assert "cannot be trusted" in text, text
    assert "staged {" not in text


@pytest.mark.parametrize("field", ["template", "content", "owner", "vars"])
def test_what_a_host_has_prepared_is_never_rendered(host: FakeHost, field: str) -> None:
    """Should a host's list ever come so far, the stage itself knows no such entry."""
    entry = {**FILES[0], field: {} if field == "vars" else "/etc/passwd"}
    text = host.play({"guard_stage": {"concern": "ssh", "prepared": [entry]}})
    assert "nsupported parameters" in text, text
    assert f"prepared.{field}" in text


TWO_LINES = f"{ED25519}\n@cert-authority * {ED25519}"


@pytest.mark.parametrize("where", ["offered", "live"])
def test_a_host_pins_keys_of_its_own_and_nothing_else(host: FakeHost, where: str) -> None:
    text, pins = prepared(host, **{where: [TWO_LINES]})
    assert NOT_PINNED in text, text
    assert pins == ""
    assert "staged {" not in text


@pytest.mark.parametrize(
    "keys",
    [
        [ED25519, TWO_LINES],
        [f"{ED25519}\u2028@cert-authority * {ED25519}"],
        [f"{ED25519}\r@cert-authority * {ED25519}"],
        [f"{ED25519} more"],
        [f"*,!x {ED25519}"],
        [ED25519.replace("ssh-ed25519", "ssh-rsa")],
        [ED25519.replace("ssh-ed25519 ", "ssh-ed25519 !")],
        ["ssh-ed25519 " + "A" * 70],
        ["ssh-ed25519 " + "A" * 100_000],
        [""],
        [f"ssh-rsa {ED25519.split()[1][:-2]}=="],
        [ED25519] * 17,
    ],
)
def test_what_is_no_host_key_is_refused(keys: list[str]) -> None:
    material = load(Path(__file__).parents[3] / "action_plugins" / "ssh_material.py", "ssh_material_of_answers")
    material.refuse_odd_keys([ED25519, ECDSA])
    with pytest.raises(AnsibleActionFail, match="cannot be trusted"):
        material.refuse_odd_keys(keys)
