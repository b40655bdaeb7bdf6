"""The guard's own files come to a host when it says that they are not what they should be, and then whole."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.fake_host import FakeHost
from tests.loading import load

ROOT = Path(__file__).parents[3]
DELIVER = load(ROOT / "roles/guard/files/deliver.py")


def program(folder: Path, said: str) -> bytes:
    """A guard's program that answers what it is made to say, and where it lies."""
    with zipfile.ZipFile(folder / "made", "w") as archive:
        archive.writestr("host.py", "class GuardError(Exception):\n    did = ()\n")
        answer = f"{{'changed': False, 'msg': '{said}', 'place': __file__, 'asked': order}}"
        archive.writestr("commit.py", f"def commit(order):\n    return {answer}\n")
    return (folder / "made").read_bytes()


class Host:
    """The places of the guard's own files, in a folder of the test's own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have nothing in place."""
        self.folder, self.parts = folder, {"program": program(folder, "new"), "boot": b"boot\n"}
        self.places = {name: folder / name for name in self.parts}
        monkeypatch.setattr(DELIVER, "FOLDER", str(folder))
        monkeypatch.setattr(DELIVER, "PLACES", {name: (str(path), 0o700) for name, path in self.places.items()})
        monkeypatch.setattr(DELIVER, "UNIT", str(folder / "holdfast-guard.service"))
        self.ran: list[list[str]] = []
        monkeypatch.setattr(DELIVER.subprocess, "run", lambda argv, **_more: self.ran.append(argv))
        for name in ("commit", "host"):
            monkeypatch.delitem(DELIVER.sys.modules, name, raising=False)
        monkeypatch.setattr(DELIVER.sys, "path", list(DELIVER.sys.path))

    def ask(self, *, check: bool = False, with_parts: bool = False) -> dict[str, Any]:
        """Give the order, as the controller does."""
        order = {
            "verb": "commit",
            "check_mode": check,
            "word": "x",
            "digests": {name: hashlib.sha256(data).hexdigest() for name, data in self.parts.items()},
            "parts": {name: base64.b64encode(data).decode() for name, data in self.parts.items() if with_parts},
        }
        answer = DELIVER.carry_out(base64.b64encode(zlib.compress(json.dumps(order).encode())).decode())
        for name in ("commit", "host"):
            DELIVER.sys.modules.pop(name, None)
        return dict(answer)

    def there(self) -> dict[str, bytes]:
        """What lies in the places."""
        return {name: path.read_bytes() for name, path in self.places.items() if path.exists()}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.mark.parametrize("check", [False, True])
def test_without_them_the_host_asks_for_them_and_does_nothing(host: Host, check: bool) -> None:
    assert host.ask(check=check) == {"stale": True}
    assert host.there() == {}


def test_with_them_they_are_put_there_and_used(host: Host) -> None:
    answer = host.ask(with_parts=True)
    assert (answer["changed"], answer["did"]) == (True, ["bring the guard's own program up to date"])
    assert answer["asked"] == {"check_mode": False, "word": "x"}
    assert host.there() == host.parts
    again = host.ask()
    assert (again["changed"], again["place"]) == (False, f"{host.places['program']}/commit.py")


def test_one_that_was_changed_by_hand_is_asked_for_again(host: Host) -> None:
    host.ask(with_parts=True)
    host.places["boot"].write_bytes(b"boot\n# mine\n")
    assert host.ask() == {"stale": True}
    assert host.ask(with_parts=True)["changed"] is True
    assert host.there() == host.parts


def test_a_check_leaves_those_of_the_host_as_they_are(host: Host) -> None:
    answer = host.ask(check=True, with_parts=True)
    assert answer["would"] == ["bring the guard's own program up to date"]
    assert host.there() == {}
    assert host.ran == []
    host.ask(with_parts=True)
    host.ran.clear()
    assert host.ask(check=True)["place"] == f"{host.places['program']}/commit.py"
    assert host.ran == [], "the unit that an admin has disabled is enabled by a run, and not by a check"


def test_a_host_that_never_has_enough_is_believed_once(tmp_path: Path) -> None:
    """The order comes a second time, with what the digests of both are of."""
    host = FakeHost(tmp_path)
    host.answers({"stale": True})
    asked = tmp_path / "asked"
    host.ssh.write_text(host.ssh.read_text().replace("cat > /dev/null", f"cat >> {asked}"))
    text = host.play({"accounts": {"present_user": "root"}})
    assert "is no answer of holdfast's program, and cannot be trusted" in text, text
    payloads = re.findall(r"(?m)^main\('(.+)'\)$", asked.read_text())
    first, second = (json.loads(zlib.decompress(base64.b64decode(payload))) for payload in payloads)
    sent = {name: base64.b64decode(data) for name, data in second["parts"].items()}
    assert sent.keys() == load(ROOT / "roles/guard/files/deliver.py").PLACES.keys()
    assert second["digests"] == {name: hashlib.sha256(data).hexdigest() for name, data in sent.items()}
    assert first == {**second, "parts": {}}
