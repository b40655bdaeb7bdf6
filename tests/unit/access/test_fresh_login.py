"""What `ssh -v` says about a login becomes one word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loading import load

ROOT = Path(__file__).parents[3]
fresh_login = load(ROOT / "action_plugins" / "fresh_login.py")

A = "SHA256:" + "a" * 43
B = "SHA256:" + "b" * 43
JUMP_OK = (
    f"debug1: Server host key: ssh-ed25519 {A}\ndebug1: Server accepts key: /k ED25519 {A} explicit\n"
    'Authenticated to jump ([192.0.2.1]:22) using "publickey".\n'
)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (
            "debug1: kex_exchange_identification: banner line 0: Not allowed at this time\nConnection closed",
            "throttled",
        ),
        ("kex_exchange_identification: banner line 0: Exceeded MaxStartups\r\n", "throttled"),
        ("No ED25519 host key is known for web1\nHost key verification failed.", "host key"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused", "refused"),
        (
            "channel 0: open failed: connect failed: Connection refused\nConnection closed by UNKNOWN port 65535",
            "refused",
        ),
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", "no answer"),
        ("Connection timed out during banner exchange", "no answer"),
        ("ssh: connect to host 192.0.2.1 port 22: No route to host", "no answer"),
        ("ssh: Could not resolve hostname web1: Name or service not known", "no answer"),
        (f"debug1: Server accepts key: /k ED25519 {A}\nKilled by signal 15.", "no answer"),  # by the deadline
        ("root@192.0.2.1: Permission denied (publickey).", "denied"),
        ("Received disconnect: Too many authentication failures", "denied"),
        (f"debug1: Server accepts key: /k ED25519 {A}\nConnection closed by 192.0.2.1 port 22", "account refused"),
        ("kex_exchange_identification: Connection closed by remote host", "closed"),
        (
            JUMP_OK + "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN",
            "closed",
        ),
        ("Connection reset by 192.0.2.1 port 22", "closed"),
        ("Bad configuration option: foo", "other"),
    ],
)
def test_failure_has_a_class(text: str, outcome: str) -> None:
    """Each way in which a login fails is told apart."""
    assert fresh_login.classify(text) == outcome
    assert fresh_login.outcome_of(255, text, sudo=False) == outcome


def test_exit_code_255_of_the_command_is_no_failed_login() -> None:
    """A command may end with 255 as well; ssh -v says whose it was."""
    assert fresh_login.outcome_of(255, "debug1: Exit status 255\n", sudo=False) == "ok"


def test_sudo_complaint_counts_only_where_sudo_was_asked_for() -> None:
    """The text of a command is not mistaken for sudo's."""
    text = "debug1: Exit status 1\nsudo: a password is required\n"
    assert fresh_login.outcome_of(1, text, sudo=True) == "sudo failed"
    assert fresh_login.outcome_of(1, text, sudo=False) == "ok"
    assert fresh_login.outcome_of(0, text, sudo=True) == "ok"


def test_ended_ssh_is_no_answer() -> None:
    """An ssh that was ended at the deadline has not logged in."""
    assert fresh_login.outcome_of(-15, JUMP_OK, sudo=False) == "no answer"


def test_the_last_server_in_the_chain_counts() -> None:
    """A jump host's key and fingerprint are not the target's."""
    text = (
        JUMP_OK
        + f"debug1: Server host key: ssh-rsa {B}\ndebug1: Server accepts key: a key with spaces ED25519 {B} agent\n"
    )
    assert fresh_login.accepted_fingerprint(text) == B
    assert fresh_login.offered_host_key(text) == {"type": "ssh-rsa", "fingerprint": B}
    assert fresh_login.accepted_fingerprint("") is None
    assert fresh_login.offered_host_key("") is None


def test_noise_of_ssh_is_taken_out() -> None:
    """What remains is what the host or sudo said."""
    text = (
        f"OpenSSH_9.2p1 Debian\r\n{JUMP_OK}sudo: no\r\nTransferred: sent 3, received 4 bytes\r\nBytes per second: 1\r\n"
    )
    assert fresh_login.without_noise(text) == "sudo: no"


def test_a_host_s_word_moves_no_cursor_and_begins_no_line() -> None:
    """It is shown, put into sentences and handed to programs: as a line, without what no argument can hold."""
    said = "\x1b[2Jno\0 \udcff\r\nalice@db1: ok\x85\u2028\x9b1A é"
    assert fresh_login.printable(said) == " [2Jno    \nalice@db1: ok   1A é"
    assert fresh_login.ActionModule.one_line(said) == "[2Jno alice@db1: ok 1A é"
    assert len(fresh_login.ActionModule.one_line("x" * 200_000)) == fresh_login.LONGEST


def test_what_a_login_brings_back_is_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connection:
        def exec_command(self, _command: str, sudoable: bool) -> tuple[int, bytes, bytes]:  # noqa: ARG002
            return 0, b"out\x1b[2J\n\xff\0", b"debug1: x\r\nerr\x1b]0;x\x07\n"

        def get_option(self, _name: str) -> str:
            return "root"

    action = fresh_login.ActionModule.__new__(fresh_login.ActionModule)
    monkeypatch.setattr(action, "refusal", lambda: None, raising=False)
    monkeypatch.setattr(action, "_fresh", lambda **_: Connection(), raising=False)
    reply = action.login()
    assert reply["outcome"] == "ok"
    for text in (reply["stdout"], reply["stderr"]):
        assert text.replace("\n", "").isprintable()
    assert reply["stdout"].startswith("out [2J\n")
    assert reply["stderr"] == "err ]0;x "


@pytest.mark.parametrize(
    "made",
    [
        # both of the password "correct horse": openssl passwd -6, mkpasswd --method=yescrypt
        "$6$saltsaltsalt$Cy2drr8kDRji6smvDcT28wkqtq0R0VzVL5CkrjPQCITc5d/31j94knt9rGTcVSyjLXfjsiIsBh5ee8qR/3QDx1",
        "$y$j9T$wy9JAsxkcZ1bHaUJ3pY1A1$gKtmplrntoTPgFFjygBJVh0T4On6uNVTx/XKMunPVg0",
    ],
)
def test_a_password_is_compared_with_its_hash(made: str) -> None:
    assert fresh_login.makes("correct horse", made) is True
    assert fresh_login.makes("battery staple", made) is False


@pytest.mark.parametrize("damaged", ["$6$broken", "$y$", "*", "$nonsense$x"])
def test_a_damaged_hash_proves_nothing(damaged: str) -> None:
    assert fresh_login.makes("correct horse", damaged) is None
