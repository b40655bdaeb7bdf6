"""Commands of the lab: `python -m lab check|demo|demo-down|bench|images|up|plan|down`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lab.progress import LabError


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code. A LabError becomes one line and the code 1."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Disposable Debian hosts")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="run tests")
    check.add_argument("what", choices=("lint", "unit", "vm", "all", "full"))
    commands.add_parser("demo", help="a bare host becomes a hardened one before your eyes")
    commands.add_parser("demo-down", help="remove all that the demo made")
    commands.add_parser("bench", help="measure what a run costs")
    commands.add_parser("images", help="build the base images")
    up = commands.add_parser("up", help="start bare hosts and write an inventory for them: up LAB HOST[:RELEASE]…")
    up.add_argument("lab")
    up.add_argument("hosts", nargs="+")
    up.add_argument("--inventory", type=Path, help="where to write it (default: .holdfast/lab/LAB)")
    planned = commands.add_parser(
        "plan", help="start hosts as a plan (JSON) on standard input says: plan LAB INVENTORY"
    )
    planned.add_argument("lab")
    planned.add_argument("inventory", type=Path, help="where to write the inventory")
    down = commands.add_parser("down", help="remove a lab")
    down.add_argument("lab")
    chosen = parser.parse_args(arguments)
    try:
        return run(chosen)
    except LabError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("holdfast: interrupted", file=sys.stderr)
        return 130


def run(chosen: argparse.Namespace) -> int:
    """Carry out a parsed command. The imports are late, so that one broken part does not stop the others."""
    if chosen.command == "check":
        from lab import check  # noqa: PLC0415

        return check.run(chosen.what)
    if chosen.command in {"demo", "demo-down"}:
        from lab import demo  # noqa: PLC0415

        return demo.run() if chosen.command == "demo" else demo.down()
    if chosen.command == "bench":
        from lab import bench  # noqa: PLC0415

        return bench.run()
    from lab import hosts, images, inventory  # noqa: PLC0415

    if chosen.command == "images":
        for release in images.RELEASES:
            print(images.bare(release))
        return 0
    lab = hosts.Lab(chosen.lab)
    if chosen.command == "down":
        lab.down()
    elif chosen.command == "plan":
        from lab import plan  # noqa: PLC0415

        print(plan.start(lab, json.load(sys.stdin), chosen.inventory).path)
    else:
        running = []
        for word in chosen.hosts:
            name, _, release = word.partition(":")
            running.append(lab.find(name) or lab.start(name, release or "trixie"))
        print(inventory.write(chosen.inventory or lab.directory, running).path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
