"""A host that cloud-init has set up, Debian's real package: the door stays as it is when that sets it up once more."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from .starts import SITE, edit_host
from .traffic import install

if TYPE_CHECKING:
    from .conftest import Target

pytestmark = [pytest.mark.slow, pytest.mark.full]

PASSWORD = "seldom-Harvest-91-quartz-lantern"
# What a provider hands to a new host: the image's own user, a key for it, a password that SSH takes, something to run.
USER_DATA = """#cloud-config
ssh_pwauth: true
password: {password}
chpasswd: {{expire: false}}
ssh_authorized_keys: [{key}]
runcmd: [[touch, /root/set-up-once-more]]
bootcmd: [[touch, /run/each-boot]]
"""
# The container's network is its engine's.
SEED = """
seed=/var/lib/cloud/seed/nocloud
mkdir -p $seed /etc/cloud/cloud.cfg.d
echo 'network: {config: disabled}' > /etc/cloud/cloud.cfg.d/99-disable-network-config.cfg
cat > $seed/user-data
"""
INSTANCE = "printf 'instance-id: %s\\nlocal-hostname: vm-17\\n' {0} > /var/lib/cloud/seed/nocloud/meta-data"
KEYS = "cat /etc/ssh/ssh_host_*.pub"


def boot(target: Target, instance: str) -> None:
    """Start the host anew as the provider's instance of that name, and wait until cloud-init has done its work."""
    target.sh(INSTANCE.format(instance))
    target.container.restart()
    target.sh("cloud-init status --wait || true")
    target.host.wait_port(22)
    assert target.sh("cat /var/lib/cloud/data/instance-id").strip() == instance, target.sh("cloud-init status --long")


def ways_in(target: Target, user: str) -> set[str]:
    """Return by what a stranger could try to log in, as sshd tells from outside."""
    done = subprocess.run(
        ["ssh", "-v", "-F", "none", "-o", "PreferredAuthentications=none", "-o", "StrictHostKeyChecking=no", "-o",
         "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", f"{user}@{target.host.address}", "true"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    (found,) = re.findall(r"Authentications that can continue: (\S+)", done.stderr)
    return set(found.split(","))


def test_a_new_instance_opens_nothing(bare: Target) -> None:
    """The provider's user, its password, key and sudo rule are gone for good; the host keys and the name stay."""
    install(bare.host, "cloud-init")
    key = " ".join(bare.inventory.keys["oper"].with_suffix(".pub").read_text(encoding="utf-8").split()[:2])
    bare.host.exec(["sh", "-ec", SEED], stdin=USER_DATA.format(password=PASSWORD, key=key).encode())
    boot(bare, "i-1")
    assert "password" in ways_in(bare, "debian")
    assert bare.sh("grep -c NOPASSWD /etc/sudoers.d/90-cloud-init-users").strip() == "1"
    bare.sh("rm /root/set-up-once-more")

    edit_host(bare, ssh={"first_user": "debian"})
    bare.play(SITE)
    keys, name = bare.sh(KEYS), bare.sh("hostname; cat /etc/hostname")
    for instance in ("i-1", "i-2"):
        boot(bare, instance)
        assert ways_in(bare, "debian") == ways_in(bare, "oper") == {"publickey"}
        assert "debian" not in bare.sh("cut -d: -f1 /etc/passwd").split()
        assert bare.sh("grep -rlE '^[^#].*NOPASSWD' /etc/sudoers.d").split() == ["/etc/sudoers.d/holdfast"]
        assert bare.sh(KEYS) == keys
        assert bare.sh("hostname; cat /etc/hostname") == name
        assert "set-up-once-more" not in bare.sh("ls /root").split()
        # What the first boot took goes on, as long as it is that instance.
        assert ("each-boot" in bare.sh("ls /run").split()) == (instance == "i-1")
        assert bare.ssh("oper") == 0, "its own key, and the pinned one of the host"
        again = bare.play(SITE)
        assert again.changed == 0, again.text
