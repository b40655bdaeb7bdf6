"""Programs and plugins that are no packages, loaded by their files as Ansible and the hosts do."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def load(path: Path, name: str = "", *, importable: bool = False) -> ModuleType:
    """Return a file as a module of that name (default: the file's), and let others import it where they do that."""
    name = name or path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if importable:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
