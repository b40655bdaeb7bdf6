"""Run one of the programs in verify/remote somewhere else, by sending it over standard input."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

MARK: Final = "\n#holdfast-verify\n"
BOOT: Final = "import sys;exec(sys.stdin.buffer.read().split(b'\\n#holdfast-verify\\n',1)[1])"
FOLDER: Final = Path(__file__).parent / "remote"
IMPORT: Final = re.compile(r"(?m)^from verify\.remote\.(\w+) import .*$")


class RemoteError(RuntimeError):
    """The program did not run, or did not answer with JSON."""


def whole(program: str, seen: set[str]) -> str:
    """Text of a program, with those that it imports from this folder in the place of the import, each once."""
    seen.add(program)
    text = (FOLDER / f"{program}.py").read_text(encoding="utf-8")
    if len(seen) > 1:  # it has to come first, and does already
        text = text.replace("from __future__ import annotations\n", "")
    return IMPORT.sub(lambda found: "" if found[1] in seen else whole(found[1], seen), text)


def source(program: str, params: dict[str, Any]) -> str:
    """Text of a program that prints `main(params)` as its last line.

    Everything before the mark is thrown away by the receiver: what a sudo did not read as its password must never
    be taken for code, and never be echoed.
    """
    body = whole(program, set())
    call = f"import json\nprint(json.dumps(main(json.loads({json.dumps(params)!r}))))\n"
    return f"{MARK}{body}\n{call}"


def answer_of(program: str, code: int, stdout: str, stderr: str) -> Any:
    """Parse what a program printed.

    Raises:
        RemoteError: with the program's own last words.
    """
    try:
        return json.loads(stdout.strip().splitlines()[-1]) if code == 0 else _fail(program, code, stderr)
    except (IndexError, ValueError, RecursionError) as error:
        raise RemoteError(f"{program}: no answer (exit code {code}): {stderr.strip()[-600:]}") from error


def _fail(program: str, code: int, stderr: str) -> Any:
    raise RemoteError(f"{program}: exit code {code}: {stderr.strip()[-600:]}")


def from_outside(prefix: str, program: str, params: dict[str, Any], seconds: float = 90) -> Any:
    """Run a program in the outsider's network, or here when there is none.

    Args:
        prefix: command words that run argv in the other network, such as 'docker exec -i NAME'; empty for here.
        program: name of a file in verify/remote.
        params: what its main() gets, JSON.
        seconds: after this long it is an error.

    Raises:
        RemoteError: it did not run or did not answer.
    """
    argv = [*shlex.split(prefix), "python3", "-c", BOOT]
    try:
        done = subprocess.run(
            argv,
            input=source(program, params),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RemoteError(f"{program}: {error}") from error
    return answer_of(program, done.returncode, done.stdout, done.stderr)
