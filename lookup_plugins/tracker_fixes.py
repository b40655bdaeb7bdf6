"""The `tracker_fixes` lookup: in which versions a release has CVE ids fixed, by Debian's security tracker."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOCUMENTATION = r"""
name: tracker_fixes
short_description: In which versions a release has CVE ids fixed
version_added: 0.1.0
author: [holdfast (@holdfast)]
description:
  - Reads the data of Debian's security tracker from a file on the controller. Nothing is fetched.
  - Left out are CVE ids that are open in this release, those that it never had, and ids of another kind.
options:
  _terms:
    description: The file, as the tracker gives it at U(https://security-tracker.debian.org/tracker/data/json).
    type: list
    elements: path
    required: true
  release:
    description: The release's codename, as C(trixie).
    type: str
    default: ""
  sources:
    description: Names of the source packages that are asked about.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the result
  ansible.builtin.debug:
    msg: "{{ query('tracker_fixes', '/tmp/tracker.json', release='trixie', sources=['openssl']) }}"
"""

RETURN = r"""
_raw:
  description: "[{as_of, fixes}]. as_of is the file's day, as YYYY-MM-DD; fixes is {source: {CVE id: version}}, without
    sources that the tracker does not know."
  type: list
  elements: dict
"""

ORIGIN = "https://security-tracker.debian.org/tracker/data/json"
CVE = re.compile(r"^CVE-\d{4}-\d{4,}$")
# Debian Policy 5.6.12; "0" is the tracker's word for a release that never had the fault.
VERSION = re.compile(r"^\d[A-Za-z0-9.+:~-]*$")
NEVER = "0"


def fixes(entries: Any, release: str) -> dict[str, str]:
    """Return {CVE id: version} of one source's entries; what is no such thing is left out."""
    found = {}
    for cve, entry in entries.items() if isinstance(entries, dict) else ():
        there = entry.get("releases") if isinstance(entry, dict) else None
        state = there.get(release) if isinstance(there, dict) else None
        version = state.get("fixed_version") if isinstance(state, dict) else None
        if CVE.match(cve) and isinstance(version, str) and version != NEVER and VERSION.match(version):
            found[cve] = version
    return found


def read(path: Path) -> dict[str, Any]:
    """Return the tracker's data; an AnsibleError says what is wrong with the file and where it comes from."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AnsibleError(f"tracker={path}: {error.strerror}. Save {ORIGIN} there") from error
    except ValueError as error:
        raise AnsibleError(f"tracker={path} is no JSON ({error}). Save {ORIGIN} there anew") from error
    if not isinstance(data, dict) or not any(CVE.match(name) for name in _some_entry(data)):
        raise AnsibleError(f"tracker={path} is not the security tracker's data. Save {ORIGIN} there anew")
    return data


def _some_entry(data: Mapping[str, Any]) -> Iterable[str]:
    return (name for entries in data.values() if isinstance(entries, dict) for name in entries)


class LookupModule(LookupBase):
    """Controller only: no host is contacted."""

    def run(self, terms: Any, variables: Any = None, **options: Any) -> list[dict[str, Any]]:
        """Return, for each file, what it says of the sources."""
        self.set_options(var_options=variables, direct=options)
        release, sources = self.get_option("release"), self.get_option("sources")
        return [self._said(Path(term).expanduser(), release, sources) for term in terms]

    def _said(self, path: Path, release: str, sources: Iterable[str]) -> dict[str, Any]:
        data = read(path)
        as_of = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date()
        found = {name: fixes(data[name], release) for name in sources if name in data}
        return {"as_of": as_of.isoformat(), "fixes": found}
