"""Base images: a bare Debian as a VPS provider hands it over. Built once, then kept in the engine and as a tar file."""

from __future__ import annotations

import hashlib
import os

from lab import bootstrap
from lab.cache import cache_dir, locked
from lab.engine import Engine, detect
from lab.progress import LabError, progress

RELEASES = ("bookworm", "trixie")
# Where this is set, each host of a plan gets the other one: what one host does alone is tried on both.
SWAP = "HOLDFAST_SWAP_RELEASES"


def recipe_hash(release: str) -> str:
    """Return 12 hex digits that change whenever the image of that release would be built differently."""
    text = "\n".join((release, os.uname().machine, *bootstrap.PACKAGES, bootstrap.FINISH))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def bare(release: str, engine: Engine | None = None) -> str:
    """Return the engine's name of the bare image of "bookworm" or "trixie", built or loaded when it is not there.

    Seconds when it lies in the cache, one to two minutes when it must be built. Raises LabError.
    """
    if release not in RELEASES:
        raise LabError(f"no such release: {release!r}; the lab knows {' and '.join(RELEASES)}")
    engine = engine or detect()
    version = recipe_hash(release)
    image = f"localhost/holdfast/bare:{release}-{version}"
    if engine.inspect("image", image):
        return image
    with locked(f"bare-{release}"):
        if engine.inspect("image", image):
            return image
        archive = cache_dir() / f"bare-{release}-{version}.tar"
        if not archive.exists():
            partial = archive.with_suffix(".part")
            try:
                bootstrap.build(engine, release, partial)
                partial.rename(archive)
            finally:
                partial.unlink(missing_ok=True)
            for old in cache_dir().glob(f"bare-{release}-*.tar"):
                if old != archive:
                    old.unlink()
        progress.say(f"loading the bare image of {release} into {engine.kind}")
        changes = ["--change", 'CMD ["/sbin/init"]', "--change", f"ENV container={engine.kind}"]
        engine.run("import", *changes, str(archive), image, timeout=300)
    return image
