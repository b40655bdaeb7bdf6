"""Which arguments for ssh would switch host keys off; tests/unit/test_preflight_run.py sees them refused in a run."""

from __future__ import annotations

import pytest

from lookup_plugins.configuration_mistakes import judged


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("-o StrictHostKeyChecking=no", "StrictHostKeyChecking=no"),
        ("-C -ostricthostkeychecking=accept-new -v", "stricthostkeychecking=accept-new"),
        ("-o 'StrictHostKeyChecking off'", "StrictHostKeyChecking off"),
        ("-o UserKnownHostsFile=/dev/null", "UserKnownHostsFile=/dev/null"),
        ("-o GlobalKnownHostsFile=/tmp/any", "GlobalKnownHostsFile=/tmp/any"),
        ("-o KnownHostsCommand=/bin/any", "KnownHostsCommand=/bin/any"),
        ("-o HostKeyAlias=other", "HostKeyAlias=other"),
        ("-o NoHostAuthenticationForLocalhost=yes", "NoHostAuthenticationForLocalhost=yes"),
        ("-o VerifyHostKeyDNS=yes", "VerifyHostKeyDNS=yes"),
        ("-F /dev/null", "-F /dev/null"),
        ("-C -F/home/me/config", "-F/home/me/config"),
        ("-o StrictHostKeyChecking=yes", ""),
        ("-o 'StrictHostKeyChecking yes'", ""),
        ("-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=10", ""),
        ("-o ControlPath=/tmp/a-F -J relay", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_arguments(arguments: str | None, said: str) -> None:
    assert judged("ssh_args", arguments) == said
