#!/bin/sh
# Somebody makes an account that nobody declared, and opens that of somebody whose time is over.
# breaks undeclared_accounts_are_closed: mallory is open
# breaks expired_people_are_closed: expired, declared until
set -eu
useradd --create-home --shell /bin/bash mallory
id -u expired > /dev/null 2>&1 || useradd --create-home --shell /bin/bash expired
usermod --expiredate '' expired
