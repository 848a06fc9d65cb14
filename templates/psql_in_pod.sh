# --- psql for an operator --------------------------------------------------------
# With the settings that the operator gave the database, the role and the server.
# Only where those, or what goes on in there, let nobody in, it is another way in:
# with the password that the container was started with, where the image's trust in
# the socket is gone; as a WAL sender that runs SQL, where no connection is left; and
# without what runs at a login, where that keeps everybody out.
# Arguments: the user, the port, the database, and what follows for psql.

user=$1 port=$2 database=$3
shift 3
plain=(psql --username="$user" --dbname="$database" --port="$port")

# lets_in PASSWORD OPTIONS WAY: whether psql gets in that way.
lets_in() {
  [ -z "$1" ] || local -x PGPASSWORD=$1
  [ -z "$2" ] || local -x PGOPTIONS=$2
  timeout 5 "${plain[@]}" --dbname="dbname=$database$3" -XAtqw -c '' </dev/null >/dev/null 2>&1
}

# enter_by PASSWORD OPTIONS WAY WORDS ARGUMENT...: becomes psql.
enter_by() {
  [ -z "$1" ] || export PGPASSWORD=$1
  [ -z "$2" ] || export PGOPTIONS=$2
  [ -z "$4" ] || echo "voodu: $4" >&2
  [ -z "$3" ] || plain+=(--dbname="dbname=$database$3")
  shift 4
  exec "${plain[@]}" "$@"
}

bare='-c session_preload_libraries= -c local_preload_libraries='
[[ $(postgres --version) =~ \)\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 17 ] && bare+=' -c event_triggers=off'

for password in '' "${POSTGRES_PASSWORD-}"; do
  ! lets_in "$password" '' '' || enter_by "$password" '' '' '' "$@"
done
for password in '' "${POSTGRES_PASSWORD-}"; do
  if lets_in "$password" '' ' replication=database'; then
    enter_by "$password" '' ' replication=database' \
      "no connection is left, so this session takes the place of a WAL sender; end others with pg_terminate_backend, \d and simple queries work" "$@"
  fi
  if lets_in "$password" "$bare" ''; then
    enter_by "$password" "$bare" '' \
      "something that runs at each login to $database lets nobody in, so this session is without it ($bare)" "$@"
  fi
done
enter_by '' '' '' '' "$@"
