"""Hosts of the same name in two inventories (production and staging, say) are never taken for each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lab import inventory
from lab.hosts import Lab

from .conftest import HOST, Target

if TYPE_CHECKING:
    from pathlib import Path


def test_a_kept_connection_is_not_reused_for_a_namesake(target: Target, release: str, tmp_path: Path) -> None:
    """Ansible keeps a connection for a minute; it belongs to one inventory and one address."""
    with Lab(f"namesake-{release}-{os.getpid()}") as lab:
        other = lab.start(HOST, release)
        bare = Target(other, inventory.write(tmp_path / "inventory", [other]))
        assert target.play("playbooks/site.yml", "--check").changed == 0
        assert bare.play("playbooks/site.yml", "--check").changed > 0, (
            "the bare namesake was taken for the hardened host"
        )
