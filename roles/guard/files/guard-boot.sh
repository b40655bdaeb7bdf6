#!/bin/sh
# Early at boot, before the firewall, the network and sshd: put back what a restart left unconfirmed.
store=/var/lib/holdfast/guard
id=$(sed -n 's/^{"id": "\([^"]*\)".*/\1/p' $store/armed.json)
# Made in this boot, which empties /run: only a job that pulled in sysinit.target. The commit's timer goes on.
[ -d "/run/holdfast-guard/$id" ] && exit 0
# What fails now, or takes too long, is tried again once the host is up; where all is back by then, that does nothing.
# The service waits for sysinit.target; the timer may not, since systemd-run waits for the timer, even with --no-block.
timeout 20 systemd-run --quiet --collect --unit="holdfast-guard-revert-$id" --on-active=2s \
    --timer-property=DefaultDependencies=no --timer-property=IgnoreOnIsolate=yes -p IgnoreOnIsolate=yes \
    -p Type=oneshot -p Restart=on-failure -p RestartSec=2s -p StartLimitIntervalSec=0 -p TimeoutStartSec=120s \
    -p OOMScoreAdjust=-1000 /usr/local/lib/holdfast/guard-revert "$id" "not all of it came back at boot" &&
    mkdir -p "/run/holdfast-guard/$id"
/usr/local/lib/holdfast/guard boot
code=$?
case $code in
    0 | 75 | 137 | 143) exit $code ;; # done; not wholly done; killed
esac
logger -t holdfast-guard "the guard's program ended with $code at boot: putting back by shell"
exec /bin/sh $store/rescue.sh boot
