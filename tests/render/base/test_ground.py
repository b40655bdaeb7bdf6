"""What the base role writes: nothing in it takes a host off its network, and systemd accepts its units."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.render.role_template import render, statements
from verify.expected import KERNEL

if TYPE_CHECKING:
    from pathlib import Path

# Each of these has cut hosts or containers off, in other tools.
HARMFUL = (
    "accept_ra",
    "autoconf",
    "dad_transmits",
    "tcp_timestamps",
    "ip_forward",
    "forwarding",
    "userns",
    "user_namespaces",
)


def settings(**variables: object) -> dict[str, str]:
    return dict(
        line.replace(" ", "").split("=", 1) for line in statements(render("base", "sysctl.conf.j2", **variables))
    )


def test_kernel_settings_keep_what_is_promised() -> None:
    found = settings()
    assert {key: found.get(key) for key in KERNEL} == KERNEL
    assert [key for key in found for word in HARMFUL if word in key] == []


def test_policy_has_the_last_word() -> None:
    found = settings(base_sysctl={"kernel.yama.ptrace_scope": "0", "vm.overcommit_memory": "1"})
    assert found["kernel.yama.ptrace_scope"] == "0"
    assert found["vm.overcommit_memory"] == "1"


def test_each_module_is_refused_in_both_ways() -> None:
    said = statements(render("base", "modprobe.conf.j2"))
    named = {line.split()[1] for line in said}
    assert {f"blacklist {name}" for name in named} | {f"install {name} /bin/false" for name in named} == set(said)
    assert not named & {"squashfs", "overlay", "fuse", "wireguard", "vfat", "nf_tables"}


def test_nobody_is_locked_out_by_a_limit_or_a_umask(tmp_path: Path) -> None:
    assert {line.split()[2] for line in statements(render("base", "limits.conf.j2"))} == {"core"}
    script = tmp_path / "umask.sh"
    script.write_text(render("base", "umask.sh.j2"))
    for uid, wanted in ((0, "0022"), (65534, "0027")):
        done = subprocess.run(
            ["sh", "-ec", f"umask 022; id() {{ echo {uid}; }}; . {script}; umask"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.strip() == wanted


def test_audit_rules_each_carry_a_key() -> None:
    rules = statements(render("base", "audit.rules.j2"))
    assert all(re.search(r" -k [a-z]+$", rule) for rule in rules)
    assert len(rules) < 30
