"""Render a role's template as the guard does, without a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[2]

init_plugin_loader([])


def render(role: str, template: str, **variables: Any) -> str:
    """Return the text that ``roles/<role>/templates/<template>`` makes of the role's defaults and ``variables``."""
    loader = DataLoader()
    folder = ROOT / "roles" / role
    known: dict[str, Any] = {"inventory_dir": "/inventory", "inventory_hostname": "web1", "ansible_managed": "Managed"}
    for part in ("defaults", "vars"):
        known |= loader.load_from_file(str(folder / part / "main.yml"), trusted_as_template=True)
    templar = Templar(loader=loader).copy_with_new_env(
        searchpath=[str(folder / "templates")], available_variables=known | variables
    )
    text = templar.template(
        trust_as_template((folder / "templates" / template).read_text()),
        escape_backslashes=False,
        overrides={"trim_blocks": True, "lstrip_blocks": True, "newline_sequence": "\n"},
    )
    return str(text)


def statements(text: str) -> list[str]:
    """Return the lines that mean something: without comments, blanks and indentation."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
