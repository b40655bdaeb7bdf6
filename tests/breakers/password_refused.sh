#!/bin/sh
# A drop-in that comes first asks for passwords.
# breaks no_password_prompt: password is offered over
# round outside: looked at from there
set -eu
printf 'PasswordAuthentication yes\nAuthenticationMethods any\n' > '/etc/ssh/sshd_config.d/!password.conf'
sshd -t
systemctl reload ssh
