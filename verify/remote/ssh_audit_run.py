"""Run ssh-audit where the host can be seen from; the tool itself arrives with the parameters, nothing is installed.

Its default scan and its policy are both judged from one set of connections. None of them logs in, so the host counts
each against this address: they are spaced so that it does not turn the address away, which would falsify the scan.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
import traceback
from typing import Any


def spaced(connect: Any, free: int, state: dict[str, Any]) -> Any:
    """Slow down the tool's connections: the first ones at once, the others one a second."""

    def wrapper(self: Any) -> Any:
        state["connections"] += 1
        if state["connections"] > free:
            time.sleep(1.0)
        return connect(self)

    return wrapper


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Run it with `arguments`, judge by `policy`: {out, passed, errors, policy_kex, text, connections}."""
    folder = tempfile.mkdtemp(prefix="verify-")
    state: dict[str, Any] = {"connections": 0, "passed": None, "errors": [], "policy_kex": [], "text": ""}
    out = io.StringIO()
    try:
        path = os.path.join(folder, "ssh-audit.zip")
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(params["tool"]))
        sys.path.insert(0, path)
        from ssh_audit import policy, ssh_audit, ssh_socket  # type: ignore[import-untyped]

        show = ssh_audit.output

        def output(*arguments: Any, **named: Any) -> Any:
            """Judge by the policy as well, before the tool prints its own judgement."""
            if named.get("kex") is not None:
                judged = policy.Policy.load_builtin_policy(params["policy"])
                state["policy_kex"] = list(getattr(judged, "_kex", None) or [])
                state["passed"], state["errors"], _ = judged.evaluate(arguments[2], named["kex"])
            return show(*arguments, **named)

        ssh_audit.output = output
        ssh_socket.SSH_Socket.connect = spaced(ssh_socket.SSH_Socket.connect, params["free"], state)
        sys.argv = ["ssh-audit", *params["arguments"]]
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            ssh_audit.main()
    except Exception:  # noqa: BLE001  # whatever the tool stumbles over is told to the one who asked
        state["text"] = traceback.format_exc()[-800:]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {**state, "out": out.getvalue()}
