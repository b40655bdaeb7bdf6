"""Turn the keys of each account into the files that sshd reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIRECTORY = "/etc/ssh/authorized_keys.d"


def key_files(accounts: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return one file for each account, as guard_stage takes them.

    :param accounts: ``[{name, lines}]``; lines are those of an authorized_keys file.
    :return: ``[{path, content, mode}]``, sorted by path; an account without keys has an empty file.
    :raises AnsibleFilterError: a name that is no file name, or a line that holds more than one.
    """
    found = []
    for account in accounts:
        name, lines = str(account["name"]), [str(line) for line in account["lines"]]
        if not name or "/" in name or name.startswith("."):
            raise AnsibleFilterError(f"key_files: {name!r} is no account name")
        if any("\n" in line or "\r" in line for line in lines):
            raise AnsibleFilterError(f"key_files: a key of {name} holds a line break")
        content = "".join(f"{line}\n" for line in lines)
        found.append({"path": f"{DIRECTORY}/{name}", "content": content, "mode": "0644"})
    return sorted(found, key=lambda entry: entry["path"])


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"key_files": key_files}
