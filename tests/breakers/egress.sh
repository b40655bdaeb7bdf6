#!/bin/sh
# A rule lets every account out before the rules that hold services.
# breaks rules_are_declared: a rule accepts before the ones that hold
# breaks undeclared_is_refused: to sshd on the host itself: connected
set -eu
id blog > /dev/null 2>&1 || useradd --system --user-group blog
nft insert rule inet holdfast output accept
