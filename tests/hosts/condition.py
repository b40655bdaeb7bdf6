"""The condition of a host's door, as one comparable text: what a revert has to bring back exactly."""

from __future__ import annotations

# Files with their links, owners, modes and times; directories with owners and modes; accounts; the states of sshd's
# units, of nftables and of all that lie in /etc/systemd/system, but whether a job that ends by itself runs just now
# and whether the guard had something to put back at the start; our table without counters and without what packets and
# answers put into its sets; the kernel settings of our files, and others that a commit may set or that follow from
# those; what the guard may have left lying about.
SCRIPT = r"""
places='/etc/ssh /etc/sudoers.d /etc/pam.d /etc/holdfast /etc/sysctl.d /etc/systemd/system'
for path in $(find $places /etc/sudoers /etc/passwd /etc/shadow /etc/group /etc/gshadow ! -type d | sort); do
    # links are made by systemctl, which makes them anew
    if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"; continue; fi
    stat -c '%n %A %U %G %Y' "$path"
    sha256sum < "$path"
done
find $places -type d -exec stat -c '%n %A %U %G' {} + | sort
units=$(find /etc/systemd/system -maxdepth 1 -type f -name '[!.]*.*' ! -name '*@.*' -printf '%f\n' | sort)
shown=Id,LoadState,ActiveState,UnitFileState,Type,RemainAfterExit,StopWhenUnneeded
systemctl show -p $shown ssh.service ssh.socket nftables.service $units |
    awk 'BEGIN { RS = ""; ORS = "\n\n" }
        (/Type=oneshot/ && /RemainAfterExit=no/) || /StopWhenUnneeded=yes/ || /Id=holdfast-guard.service/ {
            sub(/ActiveState=[a-z]*/, "")
        }
        { print }'
nft --stateless list table inet holdfast | awk '
    /^\tset / { held = 1; block = "" }
    !held { print; next }
    { block = block $0 "\n" }
    /^\t\}/ {
        if (block ~ /\n\t\t(flags [a-z,]*dynamic|timeout )/) sub(/\t\telements = .*/, "\t}\n", block)
        printf "%s", block
        held = 0
    }'
settings() {
    sed -n 's/^-\{0,1\}\([a-z][^ =]*\) *=.*/\1/p' /etc/sysctl.d/60-holdfast*.conf 2> /dev/null
    printf '%s\n' 'net.ipv4.ip_forward' 'net.ipv6.conf.*.forwarding' 'net.ipv4.conf.*.accept_redirects' \
        'net.ipv4.conf.*.log_martians' 'net.ipv4.ip_local_port_range' 'net.ipv4.ip_unprivileged_port_start'
}
for path in $(settings | tr ./ /. | sed 's,^,/proc/sys/,' | sort -u); do
    [ ! -r "$path" ] || echo "$path $(cat "$path")"
done
find /etc -name '.*.guard-*'
ls /var/lib/holdfast/guard/armed.json 2>/dev/null || true
"""
