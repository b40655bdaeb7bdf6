"""No service can read what belongs to another: files, secrets, sockets, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verify.outcome import empty, not_applicable

if TYPE_CHECKING:
    from verify.target import Target

ROOT = 0


def test_accounts_are_locked(target: Target) -> None:
    """Each service has a system account of its own that nobody can log in with."""
    unread = target.expected.unread_releases
    ours = [one for one in target.expected.services if one["release"] or one["name"] in unread]
    if not ours:
        not_applicable("no service with a release is declared here")
    facts = target.inside()
    accounts = {one["name"]: one for one in facts["accounts"]}
    problems = []
    for service in ours:
        name = service["name"]
        account = accounts.get(name)
        if account is None:
            problems.append(f"{name} has no account")
            continue
        if account["uid"] >= facts["uid_min"] or account["uid"] == ROOT:
            problems.append(f"{name} is no system account: uid {account['uid']}")
        if account["password"] not in ("locked", "none"):
            problems.append(f"{name}'s password is {account['password']}")
        if account["shell"] not in ("/usr/sbin/nologin", "/bin/false"):
            problems.append(f"{name} has the shell {account['shell']}")
        groups = sorted(group for group, members in facts["groups"].items() if name in members and group != name)
        if groups:
            problems.append(f"{name} is in {', '.join(groups)}")
        members = sorted(set(facts["groups"].get(name, [])) - {name})
        if members:
            problems.append(f"{', '.join(members)} is in {name}'s group")
    empty(problems, "accounts of services are open")


def test_places_have_their_modes(target: Target) -> None:
    """Code and secrets belong to root, state and sockets to the service, and no mode is wider than it has to be."""
    if not target.expected.services:
        not_applicable("no service is declared here")
    accounts = {one["name"]: one for one in target.inside()["accounts"]}
    places = target.services()["places"]
    problems = []
    for service in target.expected.services:
        name = service["name"]
        own = accounts.get(name, {"uid": -1, "gid": -1})
        web = accounts.get("www-data", {"gid": -1})["gid"]
        wanted = {
            f"/srv/{name}": (ROOT, own["gid"], 0o750),
            f"/srv/{name}/releases": (ROOT, own["gid"], 0o750),
            f"/srv/{name}/shared": (own["uid"], own["gid"], 0o750),
            **(
                {
                    f"/run/{name}": (own["uid"], web, 0o2710),
                    f"/etc/holdfast/services/{name}.env": (ROOT, ROOT, 0o600),
                }
                if service["release"] or name in target.expected.unread_releases
                else {}
            ),
            **{f"/etc/holdfast/secrets/{name}/{secret}": (ROOT, ROOT, 0o600) for secret in service["secrets"]},
        }
        for path, (uid, gid, mode) in wanted.items():
            found = places.get(path)
            if found is None:
                problems.append(f"{path} is not there")
            elif (found["uid"], found["gid"], found["mode"]) != (uid, gid, mode):
                problems.append(f"{path}: {found['uid']}:{found['gid']} {found['mode']:o}, not {uid}:{gid} {mode:o}")
    empty(problems, "places of services (systemd-tmpfiles --create, or the next run, mends modes)")


def test_nobody_reads_anothers(target: Target) -> None:
    """Tried as each service and as nobody: what belongs to another service cannot be read."""
    if not target.expected.services:
        not_applicable("no service is declared here")
    reached = target.services()["reached"]
    empty([f"{one['who']} reads {one['path']} of {one['service']}" for one in reached], "services are not apart")
