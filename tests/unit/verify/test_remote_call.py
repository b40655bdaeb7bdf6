"""A program for a host is one text, in however many files it is written."""

from __future__ import annotations

import subprocess
import sys

from verify.remote_call import whole


def test_what_a_program_imports_comes_along_once() -> None:
    text = whole("inside", set())
    assert text.count("def read(") == 1
    # Isolated, so that nothing of the project is found but what the text brings along.
    asked = f"{text}\nprint(main.__name__, ground.__name__, read.__name__)"
    done = subprocess.run([sys.executable, "-I", "-c", asked], cwd="/", check=False, capture_output=True, text=True)
    assert done.stdout == "main ground read\n", done.stderr
