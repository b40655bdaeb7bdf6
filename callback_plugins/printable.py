"""Let nothing reach the terminal that does not print."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from ansible.plugins.callback import CallbackBase
from ansible.utils.display import Display

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: printable
type: aggregate
short_description: Let nothing reach the terminal that does not print
description:
  - What a host says comes to the operator's terminal in error messages, whose text Ansible shows as it is. Control
    characters in it could overwrite what stands there, or set the window's title.
  - Puts a space in the place of each character that does not print. Line ends, tabs and Ansible's own colours stay.
"""
COLOUR = re.compile(r"(\x1b\[(?:0|[01];3[0-7]|38;5;[0-9]{1,3})m)")  # as Ansible writes them


def printable(text: str) -> str:
    """Return a text without what moves a cursor."""
    if text.replace("\n", "").isprintable():
        return text
    parts = COLOUR.split(text)
    parts[::2] = [
        "".join(char if char.isprintable() or char in "\n\t" else " " for char in part) for part in parts[::2]
    ]
    return "".join(parts)


class CallbackModule(CallbackBase):
    """Takes part in every run that uses the project's ansible.cfg."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "printable"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # All ways to the terminal end here: tasks' results, errors, warnings, and what plugins show.
        Display.display = self._filtered(Display.display)  # type: ignore[method-assign]

    @staticmethod
    def _filtered(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def filtered(display: Any, msg: Any, *args: Any, **kwargs: Any) -> Any:
            return method(display, printable(msg) if isinstance(msg, str) else msg, *args, **kwargs)

        return filtered
