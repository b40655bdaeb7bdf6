"""`python -m verify`: the suite with sudo passwords on standard input, which plain pytest would not pass on."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from verify.secrets import hold_passwords


def main(arguments: list[str]) -> int:
    """Run the suite with pytest's arguments; with --sudo-passwords-stdin, read them first."""
    if "--sudo-passwords-stdin" in arguments:
        arguments = [one for one in arguments if one != "--sudo-passwords-stdin"]
        try:
            hold_passwords(sys.stdin)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    chosen = [one for one in arguments if one.partition("::")[0].endswith(".py")]
    folder = [] if chosen else [str(Path(__file__).parent)]
    try:
        return int(pytest.main([*folder, *arguments]))
    except Exception:  # noqa: BLE001 (1, with which Python would end, means that a promise is broken)
        traceback.print_exc()
        return int(pytest.ExitCode.INTERNAL_ERROR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
