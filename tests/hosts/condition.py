"""The condition of a host's door, as one comparable text: what a revert has to bring back exactly."""

from __future__ import annotations

# Files with their links, owners, modes and times; accounts; unit states; our table without counters and dynamic
# elements; the kernel settings that a commit may touch; what the guard may have left lying about.
SCRIPT = r"""
for path in $(find /etc/ssh /etc/sudoers /etc/sudoers.d /etc/pam.d /etc/holdfast /etc/sysctl.d \
        /etc/systemd/system /etc/passwd /etc/shadow /etc/group /etc/gshadow ! -type d | sort); do
    # links are made by systemctl, which makes them anew
    if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"; continue; fi
    stat -c '%n %A %U %G %Y' "$path"
    sha256sum < "$path"
done
systemctl show -p Id,LoadState,ActiveState,UnitFileState \
    ssh.service ssh.socket nftables.service holdfast-firewall.service
nft --stateless list table inet holdfast | sed -E 's/ expires [0-9a-z]+//g; /elements = .*\}/d; /elements = /,/\}/d'
sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
find /etc -name '.*.guard-*'
ls /var/lib/holdfast/guard/armed.json 2>/dev/null || true
"""
