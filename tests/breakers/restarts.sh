#!/bin/sh
# Somebody gives the job another environment, and means to add to it; and a policy of the host's own, as images made for
# containers have one, forbids every start.
# breaks amid_the_job: a restart that is put off is not noted: nothing is
# breaks sshd_and_a_person_s_own_apt: systemd-journald, elsewhere, is not restarted
set -eu
mkdir -p /etc/systemd/system/apt-daily-upgrade.service.d
printf '[Service]\nEnvironment=\nEnvironment=http_proxy=http://192.0.2.1:3128\n' \
	>/etc/systemd/system/apt-daily-upgrade.service.d/proxy.conf
printf '#!/bin/sh\nexit 101\n' >/usr/local/sbin/policy-rc.d
chmod 755 /usr/local/sbin/policy-rc.d
systemctl daemon-reload
