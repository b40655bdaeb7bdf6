#!/bin/sh
# A service account may run one program as root without a password, and an admin everything; nothing of it is logged.
# breaks rights_are_declared: www-data may run
# breaks admins_have_theirs: alice becomes root without a password
# breaks commands_are_logged: switches the log of sudo off
# breaks rules_name_only_known_people: a rule is for www-data
set -eu
{
	echo 'www-data ALL=(root) NOPASSWD: /usr/bin/less'
	echo 'alice ALL=(ALL:ALL) NOPASSWD: ALL'
	echo 'Defaults !logfile, !syslog'
} > /etc/sudoers.d/zz-foreign
chmod 0440 /etc/sudoers.d/zz-foreign
