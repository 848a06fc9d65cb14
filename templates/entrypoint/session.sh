# --- Sessions ----------------------------------------------------------------
# How every session of the pods, the jobs and the plugin begins. The jobs have this
# part too, and the plugin runs it inside a pod (src/postgres/session.rs).
#
# Startup options win over postgresql.conf, ALTER SYSTEM, ALTER DATABASE, ALTER ROLE
# and ALTER ROLE IN DATABASE (postgres manual, "Setting Parameters"). One that the
# server does not know is an error, so those of newer versions have theirs before
# them.

# What every role may set.
SESSION_SETTINGS=(
  # Which function, operator or table a name means.
  search_path=pg_catalog role=none row_security=on
  local_preload_libraries= default_tablespace= temp_tablespaces= default_table_access_method=heap
  # What a transaction may do, and how long.
  default_transaction_isolation='read\ committed' default_transaction_read_only=off
  default_transaction_deferrable=off synchronous_commit=local exit_on_error=off
  statement_timeout=0 lock_timeout=0 idle_in_transaction_session_timeout=0
  14:idle_session_timeout=0 17:transaction_timeout=0
  # How text is read and written.
  client_encoding=UTF8 client_min_messages=error DateStyle='ISO,MDY' IntervalStyle=postgres TimeZone=UTC
  bytea_output=hex extra_float_digits=1 array_nulls=on transform_null_equals=off
  standard_conforming_strings=on escape_string_warning=off backslash_quote=safe_encoding
  quote_all_identifiers=off xmloption=content xmlbinary=base64
  password_encryption=scram-sha-256
  # What costs time before an answer.
  jit=off max_parallel_workers_per_gather=0
  # What else lands in the server's log: a statement can hold a password.
  debug_print_parse=off debug_print_rewritten=off debug_print_plan=off
)

# What only a superuser may set, and event_triggers, which create_replication.sh
# lets the replication role set: a trigger on login fires before any SET.
SUPERUSER_SETTINGS=(
  session_preload_libraries= session_replication_role=origin lo_compat_privileges=off
  temp_file_limit=-1 lc_messages=C
  log_statement=none log_duration=off log_min_duration_statement=-1
  log_min_duration_sample=-1 log_statement_sample_rate=0 log_transaction_sample_rate=0
  log_min_error_statement=panic log_replication_commands=off
  auto_explain.log_min_duration=-1 pg_stat_statements.track=none pg_stat_statements.track_utility=off
)
EVENT_TRIGGERS=17:event_triggers=off

# Passwords that enter may try, in this order.
PASSWORDS=()

# The major version of the server in this image.
SERVER_MAJOR=0
[[ $(postgres --version 2>/dev/null) =~ \)\ ([0-9]+) ]] && SERVER_MAJOR=${BASH_REMATCH[1]}

# session_options KIND: leaves in SESSION_OPTIONS what a `superuser` or another `role`
# begins with.
session_options() {
  local setting settings=("${SESSION_SETTINGS[@]}")
  [ "$1" = role ] || settings+=("${SUPERUSER_SETTINGS[@]}")
  SESSION_OPTIONS=''
  for setting in "${settings[@]}" "$EVENT_TRIGGERS"; do
    if [[ $setting == [0-9]* ]]; then
      [ "$SERVER_MAJOR" -ge "${setting%%:*}" ] || continue
      setting=${setting#*:}
    fi
    SESSION_OPTIONS+=" -c $setting"
  done
}

# The exit code of a session that the server turned away with SQLSTATE 57P03: it
# starts, stops or recovers.
NOT_READY=80

# enter SECONDS DATABASES FLAG...: runs the SQL on standard input with psql's
# connection flags and prints what it answers. Returns psql's exit code, after its
# last words on standard error.
#
# A server that does not let it in is tried again: in the next of the DATABASES,
# when an operator dropped the one before or closed it; with the next of PASSWORDS;
# and, when there is no connection left, as a WAL sender that runs SQL (postgres
# manual, "Streaming Replication Protocol"), which max_connections does not count.
enter() {
  local seconds=$1 sql said first='' code way='' options=$SESSION_OPTIONS number=0 out databases
  read -ra databases <<<"$2"
  shift 2
  sql=$(cat)
  exec {out}>&1
  while :; do
    said=$(
      PGPASSWORD=${PASSWORDS[number]-} PGOPTIONS=$options PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-$seconds} LC_ALL=C \
        timeout "$seconds" psql -XAtqw -v ON_ERROR_STOP=1 "$@" "dbname=${databases[0]}$way" <<<"$sql" 2>&1 >&"$out"
    )
    code=$?
    if [ "$code" != 2 ] || [[ $said != "psql: error: "* ]]; then
      first=''
      break
    fi
    if [[ $said == *event_triggers* ]] && [[ $options == *event_triggers* ]]; then
      options=${options/ -c event_triggers=off/}
      continue
    fi
    : "${first:=$said}"
    [[ $said != *password* ]] || first=$said
    case $said in
      *'Connection refused'* | *'No such file or directory'* | *'timeout expired'*) break ;;
      *'database "'*)
        databases=("${databases[@]:1}")
        [ "${#databases[@]}" -gt 0 ] || break
        ;;
      *password*)
        number=$((number + 1))
        [ "$number" -lt "${#PASSWORDS[@]}" ] || break
        ;;
      *)
        [ -z "$way" ] || break
        way=' replication=database'
        ;;
    esac
  done
  exec {out}>&-
  [ "$code" != 0 ] || return 0
  printf '%s\n' "${first:-$said}" >&2
  if [ -n "$first" ]; then
    timeout "$seconds" pg_isready -q "$@" >/dev/null 2>&1
    [ $? != 1 ] || return "$NOT_READY"
  fi
  return "$code"
}
