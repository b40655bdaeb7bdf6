"""What the backup's unit sees is judged by where it is mounted from, too."""

from __future__ import annotations

from verify.test_backup_sandbox import held, surplus

PATH = "/srv/notes/shared/uploads"


def judged(binds: str) -> list[str]:
    """What the promise says of these bind mounts beside those that every program needs."""
    return surplus(f"/usr:/usr:rbind -/lib:/lib:rbind {binds}", {PATH})


def test_a_declared_path_comes_from_where_root_alone_gets_in() -> None:
    assert judged(f"-{held(PATH)}:{PATH}:rbind") == []


def test_one_that_comes_from_its_own_path_is_told_of() -> None:
    lay = "whoever can lay a link there shows it another"
    assert judged(f"-{PATH}:{PATH}:rbind") == [f"it sees {PATH} from the path itself: {lay}"]
    assert judged(PATH) == [f"it sees {PATH} from the path itself: {lay}"]


def test_what_nobody_declared_is_told_of_whatever_it_is_called() -> None:
    assert judged("/root:/root:rbind") == ["it sees /root, which nobody declared"]
    assert judged(f"/etc:{PATH}:rbind") == [f"it sees /etc as {PATH}, which nobody declared"]
    assert judged("/etc/shadow:/usr:rbind") == ["it sees /etc/shadow as /usr, which nobody declared"]
    other = held("/etc")
    assert judged(f"-{other}:{PATH}:rbind") == [f"it sees {other} as {PATH}, which nobody declared"]
