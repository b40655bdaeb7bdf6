# Refuse a service that would run under an account or group that is there already and is not a service's.
for name in $1; do
	account=$(getent passwd "$name" || true)
	case "$account" in
	*:holdfast-service:*) continue ;;
	'') ! getent group "$name" >/dev/null || { echo "the group $name is there already: name the service differently"; exit 1; } ;;
	*) echo "the account $name is there already and is no service's: name the service differently"; exit 1 ;;
	esac
done
