"""Controller half of ``ssh_material``: run the host's half, then pin the public keys that it returned."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

SPEC = {
    "key_types": {
        "type": "list",
        "elements": "str",
        "choices": ["ed25519", "rsa"],
        "default": ["ed25519", "rsa"],
        "no_log": False,
    },
    "rsa_bits": {"type": "int", "default": 4096},
    "moduli_bits": {"type": "int", "default": 3072},
    "directory": {"type": "path", "default": "/etc/ssh"},
    "staging": {"type": "path", "default": "/var/lib/holdfast/ssh"},
    "moduli": {"type": "path", "default": "/etc/ssh/holdfast.moduli"},
    "drop_in": {"type": "path", "default": "/etc/ssh/sshd_config.d/00-holdfast.conf"},
    "known_hosts": {"type": "path"},
    "host_alias": {"type": "str"},
    "pins": {"type": "list", "elements": "str"},
}
COMMENT = "holdfast: read on the host over an authenticated session"


def pin(text: str, alias: str, keys: list[str], *, alone: bool) -> tuple[str, list[str], list[str]]:
    """Return a known_hosts text with ``keys`` pinned for ``alias``, and the keys that were added and removed.

    Args:
        text: the present content of the host's own known_hosts file.
        alias: name under which ssh looks the host up.
        keys: public keys, each ``type base64``.
        alone: drop every other key of the alias. Comments, marked lines (``@revoked``) and other names stay.

    """
    lines, found, removed = [], set(), []
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 3 or parts[0] != alias:
            lines.append(line)
            continue
        key = " ".join(parts[1:3])
        if alone and key not in keys:
            removed.append(key)
        else:
            found.add(key)
            lines.append(line)
    added = [key for key in dict.fromkeys(keys) if key not in found]
    lines += [f"{alias} {key} {COMMENT}" for key in added]
    return "".join(f"{line}\n" for line in lines), added, removed


def write(path: str, text: str) -> None:
    """Replace ``path`` by ``text`` in one step, so that an ssh that starts meanwhile reads the old or the new one."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def refusal(host: str, lines: list[dict[str, Any]]) -> str:
    """Return the message that names settings of other owners: ``{file, line, text, why}`` each."""
    told = [
        f"  {entry['file']}{':' + str(entry['line']) if entry['line'] else ''}: '{entry['text']}' {entry['why']}"
        for entry in lines
    ]
    return "\n".join(
        (
            f"{host}: these lines are not holdfast's and open SSH further than the inventory declares:",
            *told,
            "Take them away (or out of the file's way) and run again; declare people and their rights in the inventory",
            "instead. sshd was not changed.",
        )
    )


class ActionModule(ActionBase):
    """Prepare on the host, pin on the controller."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result with ``pinned``: what the known_hosts file holds more or less than before."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(SPEC)
        pins, path, alias = args.pop("pins"), args.pop("known_hosts"), args.pop("host_alias")
        if path and not alias:
            raise AnsibleActionFail("ssh_material: known_hosts needs host_alias, the name that ssh looks up")
        if pins is not None:
            if not path or not pins:
                raise AnsibleActionFail("ssh_material: pins (at least one) goes with known_hosts and host_alias")
            return {**result, "changed": False, "pinned": self._pin(path, alias, list(pins), list(pins), alone=True)}
        commit = self._shared_loader_obj.action_loader.get(
            "guard_commit",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result.update(commit.hand_over("prepare", args, variables))
        if refused := [entry for entry in result.get("foreign", []) if entry["refused"]]:
            result.update(failed=True, msg=refusal(variables["inventory_hostname"], refused))
        if result.get("failed") or not path:
            return result
        # Until the commit sshd offers the live keys, after it the new ones; a revert brings the live ones back.
        pending = any(key["staged"] or not key["public"] for key in result["keys"])
        keys = [*result["offered"], *(result["live"] if pending else [])]
        result["pinned"] = self._pin(path, alias, keys, result["offered"], alone=False)
        result["changed"] = bool(result.get("changed")) or bool(result["pinned"]["added"])
        return result

    def _pin(self, path: str, alias: str, keys: list[str], offered: list[str], *, alone: bool) -> dict[str, Any]:
        """Bring the known_hosts file up to date and say what changed; check mode writes nothing.

        ``superseded`` are the keys that stay pinned for now, although they are not among those ``offered`` in the end.
        """
        try:
            with open(path, encoding="utf-8") as stream:
                before = stream.read()
        except FileNotFoundError:
            before = ""
        after, added, removed = pin(before, alias, keys, alone=alone)
        if after != before and not self._task.check_mode:
            write(path, after)
        superseded = pin(after, alias, offered, alone=True)[2]
        return {"path": path, "added": added, "removed": removed, "superseded": superseded}
