"""The end of a service that is declared no more."""

from __future__ import annotations

import os
import pwd
import shutil
from typing import Any

import calling
import kept_files
import layout
import ownership
import systemd_units


def retire(name: str, record: dict[str, Any], seconds: int) -> str:
    """End a service that is declared no more; return in words what became of it.

    ``seconds``: for the search for what its account owns.
    """
    units = systemd_units.instances(f"{name}-run", "service")
    ours = ownership.account_is_ours(name)
    for part in [*record.get("parts", []), *record.get("schedules", [])]:
        for kind in ("service", "timer"):
            units |= systemd_units.instances(f"{name}-{part}", kind)
    systemd_units.end(units)
    # A way back may have brought units again that no set knows of.
    kept_files.drop(set(kept_files.read(f"{layout.SECRETS}/{name}/.last-up.json").get("files", {})))
    for path in (f"/srv/{name}/releases", f"{layout.SECRETS}/{name}"):
        shutil.rmtree(path, ignore_errors=True)
    if ours:
        calling.run("rm", "-rf", f"/run/{name}")  # the service's own: shutil gives up at folders that lie very deep
    said = f"{name} is declared no more: "
    if not ours:
        said += "its units are gone; its account is not of our making and stays"
    elif left := ownership.belongings(name, seconds):
        said += f"its units are gone, its account stays locked, since {left}"
    else:
        shutil.rmtree(f"/srv/{name}", ignore_errors=True)
        uid = pwd.getpwnam(name).pw_uid
        code, text = calling.run("userdel", name)
        if not code:
            # The firewall refuses what it sends until now, and whoever gets this number next is another. Where the
            # table is not there, or the number not in it, there is nothing to take back.
            calling.run("nft", "delete", "element", "inet", "holdfast", "retired", f"{{ {uid} }}")
        said += (
            f"its account could not be deleted: {text}"
            if code
            else "its units and its account are gone; it owned nothing"
        )
    os.unlink(f"{layout.RECORDS}/{name}.json")
    return said
