#!/bin/sh
# Accounts get a password, an empty one, and the age of one that is not there; a declared one is locked.
# breaks no_other_password: games has a password
# breaks no_other_password: news has an empty password
# breaks no_password_that_is_not_there_ages: www-data would be locked 30 days
# breaks declared_ones_are_there: alice: locked
set -eu
echo 'games:a password that nobody declared' | chpasswd
passwd --quiet --delete news
chage --maxdays 30 www-data
usermod --lock alice
