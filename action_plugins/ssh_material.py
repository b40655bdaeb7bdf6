"""Controller half of ``ssh_material``: run the host's half, then pin the public keys that it returned."""

from __future__ import annotations

import base64
import binascii
import os
import re
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
# Every kind that may lie beside sshd before the commit. The longest that sshd takes is an RSA key of 16384 bits.
HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ssh-dss|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{32,2800}={0,2})")
MOST_KEYS = 16  # a host has one of a kind


def is_host_key(text: str) -> bool:
    """Tell whether a text is one public key ``type base64`` and nothing else, its type the one that is inside."""
    found = HOST_KEY.fullmatch(text)
    if not found:
        return False
    kind = found[1].encode()
    try:
        return base64.b64decode(found[2], validate=True).startswith(len(kind).to_bytes(4, "big") + kind)
    except binascii.Error:
        return False


def refuse_odd_keys(keys: list[str]) -> None:
    """Refuse what would be more in a known_hosts file than keys of one host.

    Raises AnsibleActionFail: a line of another kind could speak for every host.
    """
    if len(keys) > MOST_KEYS or not all(is_host_key(key) for key in keys):
        raise AnsibleActionFail(
            "what the host tells as its public keys is something else, and cannot be trusted; nothing was pinned"
        )


def stageable(args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all that a host may have prepared for the commit: where it goes, where it lies, and its mode."""
    found: list[dict[str, Any]] = []
    for name in (f"ssh_host_{kind}_key" for kind in args["key_types"]):
        live, staged = (os.path.join(args[folder], name) for folder in ("directory", "staging"))
        found.append({"path": live, "from_host": staged, "mode": "0600", "secret": True})
        found.append({"path": f"{live}.pub", "from_host": f"{staged}.pub", "mode": "0644"})
    found.append({"path": args["moduli"], "from_host": os.path.join(args["staging"], "moduli"), "mode": "0644"})
    return found


def pin(text: str, alias: str, keys: list[str], *, alone: bool) -> tuple[str, list[str], list[str]]:
    """Return a known_hosts text with ``keys`` pinned for ``alias``, and the keys that were added and removed.

    Args:
        text: the present content of the host's own known_hosts file.
        alias: name under which ssh looks the host up.
        keys: public keys, each ``type base64``.
        alone: drop all else but comments and ``@revoked``. ssh asks this file about this name only, so a line for
            another, or for a pattern of names, or a ``@cert-authority``, is nobody's who wants to know this host.

    """
    lines, found, removed = [], set(), []
    for line in text.splitlines():
        parts = line.split()
        if not parts or parts[0].startswith("#") or parts[0] == "@revoked":
            lines.append(line)
            continue
        is_ours = len(parts) > 2 and parts[0] == alias
        key = " ".join(parts[1:3]) if is_ours else line
        if alone and key not in keys:
            removed.append(key)
        elif not is_ours:
            lines.append(line)
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
        # What is staged may be read and rendered on this machine: an entry of another kind could name any file of it.
        if any(entry not in stageable(args) for entry in result.get("files", [])):
            raise AnsibleActionFail(
                "what the host tells as prepared for SSH is something else, and cannot be trusted; nothing was staged"
            )
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
        refuse_odd_keys([*keys, *offered])
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
