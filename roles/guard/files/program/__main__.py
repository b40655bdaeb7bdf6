"""holdfast guard, the host's half. Orders from the controller reach `commit` and `sets` without passing here.

    guard confirm ID        keep it: called over a fresh login
    guard revert ID [WHY]   put it back: called by the timer, the abort switch, or by hand
    guard boot              put back what a restart left unconfirmed: called before the network is up
    guard status            what is armed, and what the last revert said

Answers are JSON. Exit code 0: done; 1: refused, nothing half done; 75: not wholly put back yet, call again.
"""

from __future__ import annotations

import json
import sys

import confirm as confirming
import revert as reverting
from host import GuardError, log, read_state, reply, transition, uptime

TRY_AGAIN = 75


def revert(ident: str | None, why: str, *, booting: bool = False) -> None:
    """Put back the armed commit; nothing to do when it was confirmed or reverted meanwhile."""
    with transition():
        state = read_state()
        if not state or ident not in (None, state["id"]):
            reply(reverted=False)
        if problems := reverting.put_back(state, why, booting=booting):
            print(json.dumps({"failed": True, "msg": "; ".join(problems)}))
            raise SystemExit(TRY_AGAIN)
    reply(reverted=True)


def main(verb: str, words: list[str]) -> None:
    """Dispatch one verb."""
    if verb == "confirm":
        reply(**confirming.confirm(words[0]))
    elif verb == "revert":
        revert(words[0], words[1] if len(words) > 1 else "asked to by hand")
    elif verb == "boot":
        revert(None, "the host went down before the commit was confirmed", booting=True)
    elif verb == "status":
        state = read_state()
        left = max(0, round(state["until"] - uptime())) if state else None
        reply(
            armed=state and {"id": state["id"], "who": state["who"], "seconds_left": left},
            last=confirming.last_revert(),
        )
    else:
        reply(failed=True, msg=f"no such verb: {verb}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "help", sys.argv[2:])
    except GuardError as error:
        if sys.argv[1] in ("revert", "boot"):
            log(f"revert failed: {error}")
            raise SystemExit(TRY_AGAIN) from error
        reply(failed=True, msg=str(error))
