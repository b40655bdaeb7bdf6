#!/bin/sh
# Put here by holdfast; changes are overwritten. What the scripts of packages ask before they touch a unit, in the words
# of invoke-rc.d(8): 104 is yes, 101 is no.
#
# The job that upgrades unattended names a folder in HOLDFAST_PUT_OFF. What runs goes on running then, and is written down
# there: the host's window restarts it. For all else, and for everybody else, it is as if this file were not here. A
# policy of the host's own is asked in its place, where there is one.
set -f
OWN=/usr/local/sbin/policy-rc.d

# A package that leaves stops its units. One that is upgraded would stop them to start them again; a stop by any other
# script than prerm is a part of what it does, as with data that must not be touched while they run.
leaves() {
	[ "$DPKG_MAINTSCRIPT_NAME" = prerm ] || return 0
	case $(dpkg-query -W -f '${db:Status-Want} ' -- "$DPKG_MAINTSCRIPT_PACKAGE") in
	install* | hold*) return 1 ;;
	esac
}

# sshd's logins live on without it, and it is the door: the old one is not kept for a day. Debian's scripts name it
# together with others, which it would have to wait with.
may_end() {
	case $1 in
	ssh | ssh.* | sshd* | rescue-ssh.target) return 0 ;;
	esac
	case $2 in
	start | reload | status) return 0 ;;
	stop) leaves ;;
	*) return 1 ;;
	esac
}

# deb-systemd-invoke asks about one unit after the other, and touches none after the first no.
named_with_it() {
	pid=$PPID
	for _ in 1 2; do # there may be a shell between
		words=$(tr '\0' '\n' <"/proc/$pid/cmdline")
		case $words in
		*/deb-systemd-invoke"
"*)
			printf '%s\n' "$words" | sed -e '1,/\/deb-systemd-invoke$/d' -e '/^--/d' | tail -n +2
			return
			;;
		esac
		pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
	done
}

# What does not run, nobody works with. What could not be written down would never be restarted. A timer or socket runs
# no code, and a socket that is restarted behind its service's back does not come up again.
put_off() {
	found=1
	for unit in $(systemctl show --property=Id --value -- "$1" $(named_with_it)); do
		case $unit in
		*.service) ;;
		*) continue ;;
		esac
		systemctl --quiet is-active -- "$unit" || continue
		start=$(systemctl show --property=InvocationID --value -- "$unit") || return 1
		mkdir -p -- "$HOLDFAST_PUT_OFF" && printf '%s\n' "$start" >"$HOLDFAST_PUT_OFF/$unit" || return 1
		found=0
	done
	return $found
}

# A restart starts what is enabled and down, too, as a unit that is new in this version. It does not wait with the others.
start_those_down() {
	for unit in $(named_with_it); do
		case $unit in *[*?[]*) continue ;; esac # a pattern fits what systemd knows of, and that runs
		systemctl --quiet is-active -- "$unit" && continue
		case $(systemctl is-enabled -- "$unit" 2>&1) in
		enabled*) systemctl --quiet --no-block start -- "$unit" ;;
		esac
	done
}

quiet=
if [ "$1" = --quiet ]; then
	quiet=$1
	shift
fi
if [ -n "$HOLDFAST_PUT_OFF" ] && ! may_end "$1" "$2" && put_off "$1"; then
	[ "$2" != restart ] || start_those_down
	exit 101
fi
if [ -x $OWN ]; then
	exec $OWN $quiet "$@"
fi
case $2 in
"("*) exit 101 ;; # what invoke-rc.d itself would not do, for the unit is neither enabled nor running
esac
exit 104
