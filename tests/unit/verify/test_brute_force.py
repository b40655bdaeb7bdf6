"""What becomes of knocks is told apart, and each of the two that throttle them is missed where it is not there."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from verify import test_brute_force as checks
from verify.outcome import NotApplicable
from verify.remote import flood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GREETING, REFUSAL = b"SSH-2.0-OpenSSH_10.0\r\n", b"Not allowed at this time\r\n"
BOTH = ["dropped", "turned away"]


@pytest.fixture
def door() -> Iterator[tuple[int, list[bytes]]]:
    """A door that says these words, one to each caller, and closes without any when they are used up."""
    words: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                caller, _ = server.accept()
                with caller:
                    if words and words[0] == b"over":
                        return
                    caller.sendall(words.pop(0) if words else b"")

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1], words
        words[:] = [b"over"]
        socket.create_connection(server.getsockname()).close()
        thread.join()


def knock(port: int, count: int, wanted: list[str]) -> dict[str, Any]:
    return flood.main({"address": "127.0.0.1", "port": port, "count": count, "wanted": wanted})


def test_who_is_turned_away_was_not_dropped(door: tuple[int, list[bytes]]) -> None:
    port, words = door
    words[:] = [GREETING, GREETING, REFUSAL]
    found = knock(port, 5, BOTH)
    assert (found["heard"], found["turned away"], found["dropped"]) == (2, 3, 0)


def test_it_goes_on_until_it_has_met_each_kind(door: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall that drops early does not hide an sshd that never turns anybody away, nor the other way round."""
    port, words = door
    words[:] = [GREETING] * 50
    real: Callable[..., socket.socket] = socket.create_connection
    calls = iter(range(1000))

    def every_third_is_dropped(*place: Any, **more: Any) -> socket.socket:
        if next(calls) % 3 == 2:
            raise TimeoutError
        return real(*place, **more)

    monkeypatch.setattr(socket, "create_connection", every_third_is_dropped)
    one = knock(port, 100, ["dropped"])
    assert (one["dropped"], one["turned away"]) == (flood.ENOUGH, 0)
    both = knock(port, 100, BOTH)
    assert both["dropped"] == flood.MOST
    assert both["turned away"] == 0, "all were heard that were not dropped"


def target(found: dict[str, int], *, penalties: bool) -> Any:
    """A host at which knocks end so, with an sshd that knows penalties or does not."""
    options = {"persourcepenalties": ["no"]} if penalties else {}
    return SimpleNamespace(
        name="h",
        expected=SimpleNamespace(policy={"ssh": {"burst": 60}}),
        inside=lambda: {"sshd": [{"options": options}]},
        outside=SimpleNamespace(
            families=lambda: [4, 6],
            flood=lambda count, wanted: {"unclear": 0, "took": 1.0, "asked": (count, wanted), **found},
        ),
    )


@pytest.mark.parametrize(
    ("dropped", "turned_away", "penalties", "broken"),
    [
        (3, 3, True, set()),
        (3, 0, True, {"sshd_counts"}),
        (0, 3, True, {"the_firewall_counts"}),
        (0, 0, True, {"sshd_counts", "the_firewall_counts", "knocking_is_throttled"}),
        (3, 0, False, set()),
        (0, 3, False, {"the_firewall_counts"}),
    ],
)
def test_each_of_the_two_is_missed(dropped: int, turned_away: int, penalties: bool, broken: set[str]) -> None:
    host = target({"heard": 60, "dropped": dropped, "turned away": turned_away}, penalties=penalties)
    red = set()
    for name in ("knocking_is_throttled", "the_firewall_counts", "sshd_counts"):
        try:
            getattr(checks, f"test_{name}")(host, {}, brute_force_wanted=True)
        except AssertionError:
            red.add(name)
        except NotApplicable:
            assert not penalties
    assert red == broken


def test_it_is_not_tried_unasked() -> None:
    host = target({"heard": 60, "dropped": 0, "turned away": 0}, penalties=True)
    for name in ("knocking_is_throttled", "the_firewall_counts", "sshd_counts"):
        with pytest.raises(NotApplicable, match="not tried"):
            getattr(checks, f"test_{name}")(host, {}, brute_force_wanted=False)
