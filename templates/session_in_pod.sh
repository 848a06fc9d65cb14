# --- Inside a pod, for the plugin ----------------------------------------------
# Arguments: the way in, the seconds, whose session it is, the databases, more startup
# options, psql's flags. The SQL is on standard input.

route=$1 seconds=$2 kind=$3 places=$4 more=$5
shift 5
given=${PGPASSWORD-}
# A client setting in the container's environment must not redirect it.
for name in "${!PG@}"; do
  case $name in
    PGDATA | PG_*) ;;
    *) unset "$name" ;;
  esac
done
case $route in
  # The image trusts the socket. Where an operator's pg_hba.conf does not, a password
  # helps: the config's, or the one that this container was started with.
  socket) host=/var/run/postgresql PASSWORDS=("$given" "${POSTGRES_PASSWORD-}") ;;
  # As a container in the pod's network comes in.
  neighbour) host=127.0.0.1 ;;
  # From outside, where everybody needs the password.
  address) host=$(hostname -i) && host=${host%% *} PASSWORDS=("$given") ;;
esac
session_options "$kind"
SESSION_OPTIONS+=$more
enter "$seconds" "$places" --host="$host" "$@"
