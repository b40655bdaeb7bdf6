"""guard_commit, the controller's half: hand over the order, log in afresh as the next run will, confirm over it."""

from __future__ import annotations

import base64
import contextlib
import getpass
import hashlib
import io
import json
import os
import re
import socket
import time
import uuid
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

if TYPE_CHECKING:
    from collections.abc import Callable

HOST_FILES = Path(__file__).parent.parent / "roles" / "guard" / "files"
PROGRAM = "/usr/local/lib/holdfast/guard"
KEY_DIRECTORY = "/etc/ssh/authorized_keys.d"
FINAL = ("denied", "account refused", "sudo failed", "host key", "no common algorithm")  # waiting does not mend these
CONNECT_SECONDS = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 5.0  # seconds between tries, doubling
SHOWN = 2  # of the settings that a kernel refuses
FAILED = "Failed to connect to the host via ssh: "
NOISE = re.compile(rf"^(?:{FAILED})?OpenSSH_.*$\n?|{FAILED}", re.MULTILINE)
MARK = "holdfast-answer:"
STORE = "/var/lib/holdfast/guard"
# Once nothing is armed: which of the two names the commit, and the host's log of it.
HOW_IT_ENDED = (
    "cd {store} && test ! -e armed.json && {{ grep -sl {ident} last-revert.json confirmed.json; grep {ident} log; }}"
)
# ssh says no more than this of such a key, too.
WAITED_IN_VAIN = (
    "\nWhere your key waited in vain for a touch or a PIN: ssh can ask nothing during a run, only your agent can."
)
ASK_SECONDS = 25  # for one question to the host over the old connection, or over a new one where that has ended
MARGIN = 2.0  # seconds before the host's own time is up at which the controller stops trying
SPEC = {
    "login": {
        "type": "dict",
        "required": True,
        "options": {"user": {"type": "str", "required": True}, "port": {"type": "int", "required": True}},
    },
    "present_user": {"type": "str", "required": True},
    "accounts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "groups": {"type": "list", "elements": "str", "required": True},
            "shell": {"type": "str", "default": "/bin/bash"},
            "expires": {"type": "str"},
            "password": {"type": "bool", "default": False, "no_log": False},
            "kind": {"type": "str"},
            "sudo": {"type": "str"},
        },
    },
    "passwords": {"type": "dict", "default": {}, "no_log": True},
    "keep": {"type": "list", "elements": "str", "default": []},
    "sysctl_files": {"type": "list", "elements": "path", "default": []},
    "seconds": {"type": "int", "default": 60},
}
# What the program on a host may answer, and nothing else: `add_host`, a fact or a warning in a result of ours is the
# controller's own word to Ansible. A shape is a type, LINE or TEXT, True itself, a list of one shape, a tuple of what
# may be None, or a dict of shapes: "NAME?" may be missing, and "*" stands for any name.
LINE, TEXT = "a line", "lines"
LONGEST_ANSWER = 8 * 1024 * 1024
SAID = {"changed": bool, "did?": [LINE], "would?": [LINE]}
STALE = {"stale": True}
REFUSAL = {"failed": True, "msg": TEXT, "changed?": bool, "did?": [LINE], "would?": [LINE]}
DIFF = [{"before_header": LINE, "after_header": LINE, "before": TEXT, "after": TEXT}]
MAYBE_LINE = (LINE, None)
HOST_KEY = {
    "type": LINE,
    "path": LINE,
    "public": LINE,
    "fingerprint": LINE,
    "bits": int,
    "staged": MAYBE_LINE,
    "why": LINE,
}
ANSWERS: dict[str, dict[str, Any]] = {
    "commit": {**SAID, "closed": [LINE], "refused": [LINE], "diff?": DIFF, "armed?": LINE, "reverted?": bool},
    "apply": {**SAID, "absent": [LINE], "diff?": DIFF, "intact?": {"*": {"digest": LINE, "absent": [LINE]}}},
    "people": {**SAID, "undeclared": [LINE], "foreign_sudo?": [LINE]},
    "prepare": {
        **SAID,
        "keys": [HOST_KEY],
        "offered": [LINE],
        "live": [LINE],
        "moduli": {"path": LINE, "staged": MAYBE_LINE, "kept": int, "dropped": int},
        "files": [{"path": LINE, "from_host": LINE, "mode": LINE, "secret?": bool}],
        "foreign": [{"file": LINE, "line": int, "text": LINE, "why": LINE, "refused": bool}],
        "plan": [LINE],
    },
}


def program() -> bytes:
    """The host's half as one executable zip; the same sources always give the same bytes."""
    buffer = io.BytesIO(b"")
    buffer.write(b"#!/usr/bin/python3 -IS\n")
    with zipfile.ZipFile(buffer, "a") as archive:
        for source in sorted((HOST_FILES / "program").glob("*.py")):
            archive.writestr(zipfile.ZipInfo(source.name, (1980, 1, 1, 0, 0, 0)), source.read_bytes())
    return buffer.getvalue()


def parts() -> dict[str, bytes]:
    """Everything that the guard keeps on a host."""
    return {
        "program": program(),
        "revert": (HOST_FILES / "guard-revert.sh").read_bytes(),
        "boot": (HOST_FILES / "guard-boot.sh").read_bytes(),
        "unit": (HOST_FILES / "holdfast-guard.service").read_bytes(),
    }


def words_of(done: dict[str, Any]) -> str:
    """What a host said that gave no answer."""
    text = NOISE.sub("", f"{done['stderr']}\n{done['stdout']}").strip()
    return f"the host gave no answer (exit code {done['rc']}): {text[-1500:]}"


def judged(value: Any, shape: Any, printable: Callable[..., str]) -> Any:
    """Return a part of an answer that has the shape, its strings made printable.

    Raises ValueError: it has another.
    """
    if shape in (LINE, TEXT) and isinstance(value, str):
        return printable(value) if shape == TEXT else printable(value, "")
    if isinstance(shape, tuple):
        return value if value is None else judged(value, shape[0], printable)
    if isinstance(shape, list) and isinstance(value, list):
        return [judged(part, shape[0], printable) for part in value]
    if isinstance(shape, dict) and isinstance(value, dict):
        return judged_keys(value, shape, printable)
    if value is True if shape is True else type(value) is shape:
        return value
    raise ValueError(f"{type(value).__name__} in the place of something else")


def judged_keys(value: dict[str, Any], shape: dict[str, Any], printable: Callable[..., str]) -> dict[str, Any]:
    """Return a dict of an answer: it has each key that has to be there, and none that is not known.

    Raises ValueError: it is another.
    """
    if "*" in shape:
        return {printable(key, ""): judged(part, shape["*"], printable) for key, part in value.items()}
    wanted = {key.rstrip("?"): part for key, part in shape.items()}
    if odd := set(value) - set(wanted) or {key for key in shape if key not in value and key[-1] != "?"}:
        raise ValueError(f"{min(odd)!r} is missing or unknown")
    return {key: judged(part, wanted[key], printable) for key, part in value.items()}


def read_answer(verb: str, said: str, printable: Callable[..., str], *, new: bool = True) -> dict[str, Any]:
    """Return what the program has answered to a verb, its strings made printable.

    :param new: the program came with the order, so that it cannot be out of date.
    Raises ValueError, or RecursionError: it is no answer of the program.
    """
    if len(said) > LONGEST_ANSWER:
        raise ValueError(f"{len(said)} characters")
    found = json.loads(said.partition("\n")[0])
    shape = ANSWERS[verb]
    if isinstance(found, dict) and "failed" in found:
        shape = REFUSAL
    elif isinstance(found, dict) and "stale" in found and not new:
        shape = STALE
    answer: dict[str, Any] = judged(found, shape, printable)
    return answer


class ActionModule(ActionBase):
    """One remote call when nothing differs, two logins when something does."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Commit, prove the door, confirm; or see the host put itself back and say why."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(SPEC)
        if self._connection._load_name != "ssh":
            message = f"the guard proves a fresh SSH login; this host is reached by '{self._connection._load_name}'"
            return {**result, "failed": True, "msg": message}
        order = self._order(args, variables)
        result.update(self.hand_over("commit", order, variables))
        if refused := result.get("refused"):
            more = f" and {len(refused) - SHOWN} more (-v shows them)" if len(refused) > SHOWN else ""
            name, shown = variables["inventory_hostname"], ", ".join(refused[:SHOWN])
            self._display.display(f"  {name}: its kernel refuses: {shown}{more}")
        if result.get("failed") or not result.get("armed"):
            return result
        began = time.monotonic()
        tries, last = self._prove(order, args["login"], began)
        result["tries"] = tries
        if last["outcome"] != "ok":
            result.update(self._give_up(order, last, began))
        return result

    def hand_over(self, verb: str, order: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Give the program on the host an order, install or update the program where necessary, show what it says.

        :param verb: what the program is to do: ``commit``, ``apply``, ``people`` or ``prepare``.
        :param order: the order; who gives it and in which mode is added.
        :return: the program's answer.
        """
        own = parts()
        order = {
            **order,
            "verb": verb,
            "who": f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}",
            "check_mode": bool(self._task.check_mode),
            "diff": bool(self._task.diff),
            "digests": {name: hashlib.sha256(data).hexdigest() for name, data in own.items()},
            "parts": {},
        }
        answer = self._deliver(order)
        if "stale" in answer:
            encoded = {name: base64.b64encode(data).decode() for name, data in own.items()}
            answer = self._deliver({**order, "parts": encoded})
        for kind in ("would", "did"):
            for change in answer.get(kind, []):
                self._display.display(f"  {variables['inventory_hostname']}: {'would ' * (kind == 'would')}{change}")
        return answer

    def _deliver(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give the host an order; return the answer, which may be that the program there is not what it should be."""
        # On standard input: content, sizes and secrets of the files never meet an output or a process list.
        payload = base64.b64encode(zlib.compress(json.dumps(order).encode())).decode()
        source = f"{(HOST_FILES / 'deliver.py').read_text(encoding='utf-8')}\nmain({payload!r})\n"
        done = self._low_level_execute_command("/usr/bin/python3 -IS -", in_data=source.encode())
        return self._answer(order["verb"], done, new=bool(order["parts"]))

    def _answer(self, verb: str, done: dict[str, Any], *, new: bool) -> dict[str, Any]:
        """Return what the program answered, if it is an answer of it: the host may be somebody else's by now.

        Nothing of any other is used: parts that look right would be as much its word as those that do not.
        """
        printable = self._shared_loader_obj.action_loader.get("fresh_login", class_only=True).printable
        _before, mark, said = done["stdout"].partition(MARK)
        if not mark:
            return {"failed": True, "msg": printable(words_of(done))}
        try:
            return read_answer(verb, said, printable, new=new)
        except (ValueError, RecursionError) as error:
            raise AnsibleActionFail(
                "what the host answered is no answer of holdfast's program, and cannot be trusted; nothing of it was "
                f"used ({printable(str(error), '')[:80]}). The host may be in other hands: look at it over the "
                "provider's console before it is given anything more"
            ) from None

    def _order(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Put what the roles staged and what the caller declares into one order for the host."""
        order: dict[str, Any] = {
            "id": uuid.uuid4().hex[:12],
            "seconds": args["seconds"],
            "login_as": args["present_user"],
            "key_directory": KEY_DIRECTORY,
            "accounts": self._with_passwords(args),
            "keep": args["keep"],
            "files": [],
            "prune": [],
            "validate": [],
            "units": [],
            "tables": {},
            "sysctl": {},
            "sysctl_files": args["sysctl_files"],
            "reload": {},
        }
        stage = self._shared_loader_obj.action_loader.get("guard_stage", class_only=True)
        for concern in stage.staged(variables).values():
            for key in ("files", "prune", "validate", "units"):
                order[key] += concern[key]
            for table in concern["tables"]:
                order["tables"][table] = concern["reload"][0]
            order["sysctl"].update({key: str(value) for key, value in concern["sysctl"].items()})
            owned = [entry["path"] for entry in concern["files"]] + list(concern["prune"])
            for unit in concern["reload"]:
                order["reload"].setdefault(unit, []).extend(owned)
        return order

    @staticmethod
    def _with_passwords(args: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Give each account its hash, or none; a hash never appears in a task's arguments or result."""
        if args["accounts"] is None:
            return None
        found = []
        for account in args["accounts"]:
            if account["password"] and account["name"] not in args["passwords"]:
                raise AnsibleActionFail(
                    f"{account['name']} needs a password, and vault.password_hashes has none for it"
                )
            found.append({**account, "password": args["passwords"][account["name"]] if account["password"] else "*"})
        return found

    def _prove(self, order: dict[str, Any], login: dict[str, Any], began: float) -> tuple[list[str], dict[str, Any]]:
        """Log in afresh and confirm in the same breath, again and again while waiting may help.

        A login that works again once the host has put itself back tells nothing: the one before it says why.
        """
        door = self._shared_loader_obj.action_loader.get(
            "fresh_login",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        tries: list[str] = []
        pause = FIRST_PAUSE
        last: dict[str, Any] = {}
        while True:
            before = last
            last = door.login(
                user=login["user"],
                port=login["port"],
                command=f"{PROGRAM} confirm {order['id']}",
                timeout=CONNECT_SECONDS,
                become=login["user"] != "root",
            )
            if last["outcome"] == "ok" and '"confirmed"' not in last["stdout"]:
                last["outcome"] = "reverted already" if "nothing to confirm" in last["stdout"] else "confirm failed"
            elif "nothing to confirm" in last["stdout"]:
                last["outcome"] = "reverted already"
            tries.append(f"{time.monotonic() - began:.1f} s {last['outcome']}")
            left = order["seconds"] - MARGIN - (time.monotonic() - began)
            if last["outcome"] in ("ok", "reverted already", *FINAL) or left <= 0:
                return tries, before if before and last["outcome"] == "reverted already" else last
            time.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _give_up(self, order: dict[str, Any], last: dict[str, Any], began: float) -> dict[str, Any]:
        """Ask the host to put itself back at once, over the old connection and without sudo; tell how it went."""
        # Where the old connection is gone as well, the host's timer does it.
        with contextlib.suppress(AnsibleError), self._deadline(ASK_SECONDS):
            self._connection.exec_command(f"/bin/sh -c ': > /run/holdfast-guard/{order['id']}/now'", sudoable=False)
        kept, host_log = self._wait_for_end(order, began)
        lines = NOISE.sub("", last["stderr"] or last["stdout"]).strip().splitlines()[-3:]
        message = f"the fresh login failed: {last['outcome']}: {' '.join(lines)}".strip(" :")
        if last["outcome"] == "denied" or (last["outcome"] == "no answer" and last["fingerprint"]):
            message += WAITED_IN_VAIN
        if host_log is None:
            message += (
                f"\nThe host could not be asked; it puts itself back {order['seconds']} s after it was armed. "
                "Run again then: the next run repairs what is left."
            )
            return {"failed": True, "msg": message, "reverted": None, "host_log": []}
        if kept:
            message += "\nThe host keeps the commit: a fresh login confirmed it, but its answer got lost. Run again."
            return {"failed": True, "msg": message, "reverted": False, "host_log": host_log}
        return {
            "failed": True,
            "changed": False,
            "msg": f"{message}\nThe host put everything back; the old login works. Mend the cause and run again.",
            "reverted": True,
            "host_log": host_log,
        }

    def _deadline(self, seconds: float) -> contextlib.AbstractContextManager[None]:
        """End a new login that waits for longer, as for a key that nobody touches; the old connection goes on."""
        door = self._shared_loader_obj.action_loader.get("fresh_login", class_only=True)
        found: contextlib.AbstractContextManager[None] = door.deadline(seconds)
        return found

    def _wait_for_end(self, order: dict[str, Any], began: float) -> tuple[bool, list[str] | None]:
        """Whether the host kept this commit, and its log of it; no log when it cannot be asked until its time is up."""
        end = began + order["seconds"] + 20
        door = self._shared_loader_obj.action_loader.get("fresh_login", class_only=True)
        while time.monotonic() < end:
            time.sleep(0.3)
            try:
                with self._deadline(ASK_SECONDS):
                    done = self._low_level_execute_command(HOW_IT_ENDED.format(store=STORE, ident=order["id"]))
            except AnsibleError:
                with contextlib.suppress(AnsibleError):
                    self._connection.reset()
                continue
            how, *host_log = done["stdout_lines"] or [""]
            if how in ("confirmed.json", "last-revert.json"):
                return how == "confirmed.json", [door.printable(line, "") for line in host_log]
        return False, None
