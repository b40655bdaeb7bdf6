"""The host's own tools, for a module that changes something."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible.module_utils.left_over.setuid_files import is_roots

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

AT_ONCE = 100  # paths in one question to dpkg: more may be longer than a command line can be


class Host:
    """The host's own tools and their judgement, in English, without questions."""

    def __init__(self, module: AnsibleModule) -> None:
        """Work for a module."""
        self.module: Any = module
        module.run_command_environ_update = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}

    def run(self, *argv: str) -> str:
        """Return what a command says; one that fails ends the module."""
        code, out, err = self.module.run_command([*argv])
        if code:
            self.module.fail_json(msg=f"nothing more was purged: {' '.join(argv[:3])}: {(err or out).strip()[-600:]}")
        return str(out)

    def owners(self, paths: list[str]) -> dict[str, tuple[str, str]]:
        """Return the package of each file that has one, and the path that the package has for it.

        A file in `/usr/lib` may be known by `/lib`, which is a link to it, and the other way round. What lies where
        others than root choose the names is no package's, and dpkg is not asked about it.
        """
        found: dict[str, tuple[str, str]] = {}
        paths = [path for path in paths if is_roots(path)]
        for some in (paths[first : first + AT_ONCE] for first in range(0, len(paths), AT_ONCE)):
            known = {}
            for path in some:
                known.update(dict.fromkeys({path, path.removeprefix("/usr"), f"/usr{path}"}, path))
            asked = [re.sub(r"([*?\[\]\\])", r"\\\1", path) for path in known]
            _code, out, _err = self.module.run_command(["dpkg-query", "-S", *asked])  # fails for what is nobody's
            for line in out.split("\n"):
                names, colon, path = line.partition(": ")
                if colon and path in known and not names.startswith("diversion "):
                    found[known[path]] = (names.split(", ")[0].partition(":")[0], path)
        return found
