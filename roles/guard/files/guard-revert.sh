#!/bin/sh
# Put an unconfirmed commit back: by the guard's program, or by the commit's own shell script when Python cannot run it.
/usr/local/lib/holdfast/guard revert "$@"
code=$?
case $code in
    0) exit 0 ;;
    75 | 137 | 143) exit $code ;; # not wholly done, or killed: systemd calls again
esac
logger -t holdfast-guard "the guard's program ended with $code: putting back by shell"
exec /bin/sh /var/lib/holdfast/guard/rescue.sh
