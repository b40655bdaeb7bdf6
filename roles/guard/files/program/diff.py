"""What a commit would change, for people: a list in words, and texts for --diff."""

from __future__ import annotations

import os
from typing import Any

import files
import keys
import tables

HIDDEN = "[not shown]\n"


def _text(data: bytes | None, secret: bool) -> str:
    if data is None:
        return ""
    if secret:
        return HIDDEN
    return f"[binary, {len(data)} bytes]\n" if b"\0" in data[:8000] else data.decode(errors="replace")


def _is_secret(path: str) -> bool:
    """A file that only its owner may read is not shown."""
    try:
        return not os.lstat(path).st_mode & 0o077
    except OSError:
        return False


def texts(entries: list[dict[str, Any]], pruned: list[str]) -> list[dict[str, str]]:
    """Entries for Ansible's --diff."""
    found = []
    for entry in entries:
        path, before, after = entry["path"], entry["old"], entry["bytes"]
        if strayed := entry.get("strayed"):
            what, now = f"{path} (its directories)", "\n".join(strayed)
            found.append({"before_header": what, "after_header": what, "before": f"{now}\n", "after": "as it says\n"})
            continue
        if before == after:
            what = f"{path} (owner, group or mode)"
            mode = f"{entry['owner']}:{entry['group']} {entry['mode']:04o}\n"
            found.append({"before_header": what, "after_header": what, "before": "otherwise\n", "after": mode})
            continue
        shown = _text(after, entry["secret"])
        if entry["secret"] and before is not None:
            shown = "[not shown, changed]\n"
        old = _text(before, entry["secret"])
        found.append({"before_header": path, "after_header": path, "before": old, "after": shown})
    for path in pruned:
        old = _text(files.read(path), _is_secret(path))
        found.append({"before_header": path, "after_header": path, "before": old, "after": ""})
    return found


def _key_says(owner: str, before: bytes | None, after: bytes | None) -> list[str]:
    def names(data: bytes | None) -> dict[str, str]:
        lines = (data or b"").decode(errors="replace").splitlines()
        return {blob: line.split()[-1] for line in lines if (blob := keys.blob_of(line))}

    old, new = names(before), names(after)
    said = [f"remove {owner}'s key {old[blob]}" for blob in old if blob not in new]
    said += [f"give {owner} the key {new[blob]}" for blob in new if blob not in old]
    return said or [f"change the options of {owner}'s keys"]


def says(order: dict[str, Any], entries: list[dict[str, Any]], pruned: list[str]) -> list[str]:
    """Each change to a file in words."""
    said = []
    for entry in entries:
        path = entry["path"]
        if os.path.dirname(path) == order["key_directory"]:
            said += _key_says(os.path.basename(path), entry["old"], entry["bytes"])
        elif entry.get("strayed"):
            said += [f"mend {place}" for place in entry["strayed"]]
        else:
            said.append(f"{'change' if entry['old'] is not None else 'create'} {path}")
            if path.endswith(".nft"):
                live = "\n".join(tables.dump(table) for table in order["tables"])
                said += tables.says(live, entry["bytes"].decode(errors="replace"))
    for path in pruned:
        if os.path.dirname(path) == order["key_directory"]:
            said += _key_says(os.path.basename(path), files.read(path), None)
        else:
            said.append(f"remove {path}")
    return said
