"""Copy releases to a host: each packed on the controller, carried as one file, unpacked and named by one call."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

RELEASE = {
    "name": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "place": {"type": "str", "required": True},
}
SPEC = {"releases": {"type": "list", "elements": "dict", "options": RELEASE, "required": True}}


def packed(source: Path, folder: str) -> Path:
    """Return an archive of a release; one that is an archive already is its own.

    Raises AnsibleActionFail: it is gone, or changes meanwhile.
    """
    if source.is_file():
        return source
    made = Path(folder, "release.tar.gz")
    try:
        with tarfile.open(made, "w:gz", compresslevel=3) as archive:
            archive.add(source.resolve(), arcname=".")  # of a link nothing but the link would be packed
    except OSError as error:
        raise AnsibleActionFail(
            f"{source} cannot be packed: {error}. Where it is being built, let the build end, and run again"
        ) from None  # Ansible would tell it twice
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
                    # Its words alone: whatever else it says would be taken for this plugin's.
                    words = [str(answer[key]) for key in ("msg", "module_stdout", "module_stderr") if answer.get(key)]
                    msg = f"{said} from {entry['source']}: {' '.join(words)}"
                    return {**result, "failed": True, "msg": msg}
            result[kind].append(said)
            self._display.display(f"  {variables['inventory_hostname']}: {'would ' * (kind == 'would')}{said}")
        return result

    def _copy(self, entry: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        place = self._make_tmp_path()
        source = Path(entry["source"])
        try:
            with tempfile.TemporaryDirectory() as folder:
                archive = self._connection._shell.join_path(place, "release.tar.gz")
                carried = packed(source, folder)
                self._transfer_file(str(carried), archive)
            named_by = "archive" if carried == source else "content"
            answer: dict[str, Any] = self._execute_module(
                module_name="release_copy",
                module_args={"name": entry["name"], "place": entry["place"], "archive": archive, "named_by": named_by},
                task_vars=variables,
                wrap_async=False,
            )
        finally:
            self._remove_tmp_path(place, force=True)
        return answer
