"""Copy releases to a host: each packed on the controller, carried as one file, unpacked and named by one call."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

RELEASE = {
    "name": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "place": {"type": "str", "required": True},
}
SPEC = {"releases": {"type": "list", "elements": "dict", "options": RELEASE, "required": True}}


def packed(source: Path, folder: str) -> Path:
    """Return an archive of a release; one that is an archive already is its own."""
    if not source.is_dir():
        return source
    made = Path(folder, "release.tar.gz")
    with tarfile.open(made, "w:gz", compresslevel=3) as archive:
        archive.add(source, arcname=".")
    return made


class ActionModule(ActionBase):
    """Two remote calls for each release."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Copy them all; in check mode say what would be copied."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(SPEC)
        kind = "would" if self._task.check_mode else "did"
        result.update({"changed": bool(args["releases"]), kind: []})
        for entry in args["releases"]:
            said = f"copy the release {entry['place']}"
            if not self._task.check_mode:
                answer = self._copy(entry, variables)
                if answer.get("failed"):
                    return {**result, **answer, "msg": f"{said}: {answer.get('msg')}"}
            result[kind].append(said)
            self._display.display(f"  {variables['inventory_hostname']}: {'would ' * (kind == 'would')}{said}")
        return result

    def _copy(self, entry: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        place = self._make_tmp_path()
        try:
            with tempfile.TemporaryDirectory() as folder:
                archive = self._connection._shell.join_path(place, "release.tar.gz")
                self._transfer_file(str(packed(Path(entry["source"]), folder)), archive)
            answer: dict[str, Any] = self._execute_module(
                module_name="release_copy",
                module_args={"name": entry["name"], "place": entry["place"], "archive": archive},
                task_vars=variables,
                wrap_async=False,
            )
        finally:
            self._remove_tmp_path(place, force=True)
        answer.pop("invocation", None)
        return answer
