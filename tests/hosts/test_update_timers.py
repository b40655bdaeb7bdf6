"""The timers of the updates, left to fire by themselves."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from .starts import SITE, edit_host, own
from .test_updates import LIBRARY, PROGRAM, WINDOW, eventually, host, process, said, versions

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Target

__all__ = ["host"]
pytestmark = pytest.mark.slow

# The timer that is there, at another time: what it starts, in which order, and whether it starts at all is untouched.
SOON = """
mkdir -p /run/systemd/system/apt-daily-upgrade.timer.d
cat > /run/systemd/system/apt-daily-upgrade.timer.d/zz-soon.conf <<END
[Timer]
OnCalendar=
OnCalendar=$(date -u -d '+5 seconds' '+%F %T') UTC
RandomizedDelaySec=0
AccuracySec=1s
END
systemctl daemon-reload
systemctl restart apt-daily-upgrade.timer
"""


@pytest.mark.full
def test_they_fire(host: Target, tmp_path: Path) -> None:
    """The one installs what is of Debian's security alone; the window's, as declared, restarts what maps old code."""
    began = process(host)
    host.sh(SOON)
    assert versions(host) == ["1.0", "1.0"]
    assert eventually(host, "dpkg-query -W -f '${Version}' sample-secure | grep -Fx 1.1", 90)
    assert eventually(host, "systemctl is-active apt-daily-upgrade.service | grep -x inactive", 60)
    assert versions(host) == ["1.0", "1.1"]
    assert process(host) == began
    assert LIBRARY in host.sh(f"{PROGRAM} old-code")

    mine = own(host, tmp_path)
    opens = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=150 * host.patience)
    edit_host(mine, window={"at": f"{opens:%a %H:%M}", "minutes": 30})
    mine.play(SITE)
    assert process(host) == began, "the window was not open yet"
    assert eventually(host, f"! {PROGRAM} old-code | grep -F {LIBRARY}", 200)
    assert eventually(host, f"systemctl is-active {WINDOW} | grep -x inactive", 60)
    assert "restarted: sample.service" in said(host, WINDOW)
    assert process(host) != began
