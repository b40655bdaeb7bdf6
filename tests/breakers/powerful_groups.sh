#!/bin/sh
# A service account may start containers, and another one says who reads all logs.
# breaks members_are_admins: www-data is in docker
# breaks members_are_made_by_root: backup administers adm
set -eu
groupadd --force --system docker
usermod --append --groups docker www-data
gpasswd --administrators backup adm
