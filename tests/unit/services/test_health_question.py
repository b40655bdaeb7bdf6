"""How a part is asked whether it is up."""

from __future__ import annotations

import socket
import threading
import time

import health_question
import pytest


class Door:
    """A part that answers in its own way, as its health is asked for."""

    def __init__(self, *words: bytes, pause: float) -> None:
        """Say the words one after the other, and again from the first, until it is left."""
        self.words, self.pause, self.over = words, pause, threading.Event()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.thread = threading.Thread(target=self._answer)

    def _answer(self) -> None:
        caller, _ = self.door.accept()
        with caller:
            try:
                for word in self.words:
                    caller.sendall(word)
                while not self.over.wait(self.pause):
                    caller.sendall(b"x")
            except OSError:
                return

    def __enter__(self) -> Door:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.door.close()


def asked(door: Door) -> tuple[str, float]:
    """Ask for the health of a part; return what was answered, and how long that took."""
    began = time.monotonic()
    answer = health_question.ask({"role": "web", "port": door.port, "health": "/healthz"}, "")
    return answer, time.monotonic() - began


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be less time for an answer."""
    monkeypatch.setattr(health_question, "ASK_SECONDS", 0.5)


def test_a_part_that_answers_in_drops_is_not_waited_for() -> None:
    """The time is one for the whole question: a byte now and then does not prolong it."""
    with Door(pause=0.1) as door:
        threading.Timer(4, door.over.set).start()
        answer, seconds = asked(door)
    assert (answer, seconds < 2) == ("timed out", True), seconds


def test_an_answer_that_never_ends_is_one() -> None:
    """The status tells; a stream of events may follow it."""
    with Door(b"HTTP/1.1 20", b"0 OK\r\nContent-Type: text/event-stream\r\n\r\n", pause=0.1) as door:
        threading.Timer(4, door.over.set).start()
        answer, seconds = asked(door)
    assert (answer, seconds < 2) == ("200", True), seconds


def test_a_line_that_never_ends_is_no_http() -> None:
    with Door(b"x" * 5000, pause=0.1) as door:
        threading.Timer(4, door.over.set).start()
        answer, seconds = asked(door)
    assert (answer, seconds < 2) == ("no HTTP", True), seconds
