"""What a host stands on: its packages, units and set-uid programs, and how kernel, journal and clock are set."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from verify.remote.tell import lines_of, printable, read, run

FIND_SECONDS = 90
DISKS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay")
# What starts instances of templates by itself.
LINKS = tuple(f"/{top}/systemd/system/*.{kind}/*@?*.*" for top in ("etc", "run") for kind in ("wants", "requires"))
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
# Where container engines keep the file systems of their images.
IMAGES = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")


def installed() -> dict[str, dict[str, str]]:
    """Every installed package: how important it is, what it needs or wants, what it stands for."""
    fields = [
        "Package",
        "db:Status-Abbrev",
        "Priority",
        "Essential",
        "Pre-Depends",
        "Depends",
        "Recommends",
        "Provides",
    ]
    out = run(["dpkg-query", "-W", "-f", "\\t".join(f"${{{one}}}" for one in fields) + "\\n"])[1]
    found = {}
    for line in lines_of(out):
        words = line.split("\t")
        if len(words) == len(fields) and words[1][1:2] == "i":
            needs = ", ".join(one for one in words[4:7] if one)
            found[words[0]] = {"priority": words[2], "essential": words[3], "needs": needs, "provides": words[7]}
    return found


def enabled_units() -> list[str]:
    """Units that somebody or a package has enabled; what their files alone pull in is not among them."""
    states = "enabled,enabled-runtime,linked,linked-runtime"
    out = run(["systemctl", "list-unit-files", "--no-legend", "--plain", f"--state={states}"])[1]
    listed = [line.split()[0] for line in lines_of(out) if line.strip()]
    # A template with an enabled instance may be told as "indirect". A package that has gone leaves links behind.
    instances = {os.path.basename(path) for place in LINKS for path in glob.glob(place)}
    templates = {one: re.sub("@.*[.]", "@.", one, flags=re.DOTALL) for one in instances}
    return listed + sorted(
        printable(one)
        for one, template in templates.items()
        if template not in listed and any(os.path.exists(f"{place}/{template}") for place in UNIT_FOLDERS)
    )


def is_shut(folder: str) -> bool:
    """Whether nobody but root gets into a folder."""
    state = os.lstat(folder)
    if state.st_uid != 0 or state.st_mode & 0o001 or (state.st_gid != 0 and state.st_mode & 0o010):
        return False
    return "system.posix_acl_access" not in os.listxattr(folder)


def is_out_of_reach(path: str) -> bool:
    """Whether root alone can reach a file, whom it gives nothing."""
    try:
        while path != "/":
            path = os.path.dirname(path)
            if is_shut(path):
                return True
    except OSError:
        return False
    return False


def setuid_files() -> list[list[str]] | None:
    """Programs that change their user or group, on local disks that let them; of each all names, the shortest first.

    None when there is no such disk, or no end of it. Those in the images of containers are not the host's.
    """
    places = [
        place
        for place, kind, options in mounted()
        if kind in DISKS and "nosuid" not in options and not place.startswith(IMAGES)
    ]
    if not places:  # find would begin where it happens to be started
        return None
    skipped = [word for path in IMAGES for word in ("-path", path, "-prune", "-o")]
    code, out, _ = run(
        ["find", *places, "-xdev", *skipped, "-type", "f", "-perm", "/6000", "-print0"], seconds=FIND_SECONDS
    )
    if code == 124:
        return None
    files: dict[object, list[str]] = {}
    listed = {one for one in out.split("\0") if one and not is_out_of_reach(one)}
    for path in sorted(listed, key=lambda one: (len(one), one)):
        try:
            state = os.lstat(path)
            files.setdefault((state.st_dev, state.st_ino), []).append(printable(path))
        except OSError:  # its name is no text
            files[path] = [printable(path)]
    return list(files.values())


def kernel_settings(keys: list[str]) -> dict[str, dict[str, str]]:
    """The live values of kernel settings; a key with a `*` has one for each network card."""
    return {
        key: {
            path[len("/proc/sys/") :]: " ".join(read(path).split())
            for path in sorted(glob.glob(f"/proc/sys/{slashed}"))
        }
        for key, slashed in ((key, key.translate(str.maketrans("./", "/."))) for key in keys)
    }


def configured(name: str) -> str:
    """All files of a setting in the order in which systemd reads them, one text."""
    return run(["systemd-analyze", "cat-config", "--no-pager", name])[1]


def journal() -> dict[str, Any]:
    """Whether the journal is on disk, and how much of it."""
    files = glob.glob("/var/log/journal/*/*.journal*")
    return {
        "on_disk": any(os.path.basename(path) == "system.journal" for path in files),
        "bytes": sum(os.stat(path).st_blocks * 512 for path in files),
        "configured": configured("systemd/journald.conf"),
    }


def mounted() -> list[tuple[str, str, list[str]]]:
    """Each mount's place, kind and options. Of ends and spaces in a name the kernel escapes those of its own lines."""
    found = []
    for line in lines_of(read("/proc/self/mountinfo")):
        before, between, after = line.partition(" - ")
        words = before.split(" ")
        if between:
            place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
            found.append((place, after.split(" ")[0], words[5].split(",")))
    return found


def mounts() -> dict[str, list[str]]:
    """The options of what is mounted on each place; a later mount covers an earlier one."""
    return {place: options for place, _, options in mounted()}


def ground(params: dict[str, Any]) -> dict[str, Any]:
    """What the host stands on: its packages and programs, and how its kernel is set."""
    return {
        "container": run(["systemd-detect-virt", "--container"])[1].strip() not in ("none", ""),
        "manual": run(["apt-mark", "showmanual"])[1].split(),
        "installed": installed(),
        "enabled": enabled_units(),
        "setuid": setuid_files(),
        "kernel_read_only": bool(os.statvfs("/proc/sys").f_flag & os.ST_RDONLY),
        "kernel": kernel_settings(params["kernel"]),
        "kernel_configured": configured("sysctl.d"),
        "modules": [line.split()[0] for line in lines_of(read("/proc/modules")) if line],
        "modprobe": "\n".join(read(path) for path in sorted(glob.glob("/etc/modprobe.d/*.conf"))),
        "apparmor": [
            read("/sys/module/apparmor/parameters/enabled").strip(),
            read("/sys/kernel/security/apparmor/profiles").strip(),
            run(["systemctl", "is-enabled", "apparmor.service"])[1].strip(),
        ],
        "audit": [run(["auditctl", "-s"])[1], run(["auditctl", "-l"])[1]],
        "journal": journal(),
        "mounts": mounts(),
        "clock_synchronized": run(["timedatectl", "show", "-p", "NTPSynchronized", "--value"])[1].strip() == "yes",
    }
