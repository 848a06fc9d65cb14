# --- Settings ---------------------------------------------------------------

CONF_DIRECTORY=/etc/postgresql
GOOD_CONF=$VOLUME/.voodu-good-conf
FALLBACK_CONF=$PGDATA/voodu-fallback.conf

# wire_settings: makes postgresql.conf read the mounted files, and last this
# pod's own. Lines that an operator wrote stay.
wire_settings() {
  local conf=$PGDATA/postgresql.conf include="include_dir '$CONF_DIRECTORY'" runtime="include_if_exists 'voodu-runtime.conf'"
  if grep -qxF "$include" "$conf" && grep -qxF "$runtime" "$conf"; then
    return 0
  fi
  {
    # The older plugin mounted its files one directory deeper.
    grep -vxF -e "$include" -e "$runtime" "$conf" | grep -v "^ *include_dir *=* *'/etc/postgresql/conf\.d/*' *\$"
    printf '%s\n' "$include" "$runtime"
  } | install_file "$conf" 0600
}

# conninfo_value TEXT / conf_value TEXT: quote for a connection string
# (postgres manual, 34.1.1) and for postgresql.conf (20.1.2).
conninfo_value() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}
conf_value() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

# write_runtime_conf [PRIMARY]: writes the settings of this pod alone; with
# PRIMARY, the connection to it. Sets RUNTIME_CHANGED when anything is new.
write_runtime_conf() {
  local text old=''
  text="# Written by the voodu entrypoint whenever the primary changes; edits are lost."$'\n'
  if [ $# = 1 ]; then
    text+="primary_conninfo = $(conf_value "$(primary_conninfo "$1")")"$'\n'
  fi
  IFS= read -r -d '' old 2>/dev/null <"$RUNTIME_CONF"
  RUNTIME_CHANGED=''
  [ "$text" != "$old" ] || return 0
  RUNTIME_CHANGED=1
  printf '%s' "$text" | install_file "$RUNTIME_CONF" 0600
}

# primary_conninfo ORDINAL: how this standby reaches that pod. The password is
# the last item, so that runtime_password can find its end.
primary_conninfo() {
  printf 'host=%s port=%s user=%s application_name=voodu-postgres-standby-%s connect_timeout=5 password=%s' \
    "$(pod_host "$1")" "$PORT" "$REPLICATION_USER" "$ORDINAL" "$(conninfo_value "$REPLICATION_PASSWORD")"
}

# runtime_password: the replication password in the file that
# write_runtime_conf wrote; empty when there is none.
runtime_password() {
  local line text=''
  [ -f "$RUNTIME_CONF" ] || return 0
  while IFS= read -r line; do
    [[ $line != "primary_conninfo = '"*"'" ]] || text=$line
  done <"$RUNTIME_CONF"
  [ -n "$text" ] || return 0
  text=${text#"primary_conninfo = '"}
  text=${text%"'"}
  text=${text//"''"/"'"}
  text=${text//'\\'/'\'}
  [[ $text == *"password='"* ]] || return 0
  text=${text#*"password='"}
  text=${text%"'"}
  text=${text//"\\'"/"'"}
  printf '%s' "${text//'\\'/'\'}"
}

# choose_password ORDINAL: after a rotation the file knows a newer replication
# password than the container's environment. Keeps whichever logs in there; the
# file's while nobody answers.
choose_password() {
  local stored
  stored=$(runtime_password)
  [ -n "$stored" ] && [ "$stored" != "$ENV_REPLICATION_PASSWORD" ] || return 0
  REPLICATION_PASSWORD=$ENV_REPLICATION_PASSWORD
  if [ "$(remote_sql "$(pod_host "$1")" <<<'SELECT 1' 2>/dev/null)" != 1 ]; then
    REPLICATION_PASSWORD=$stored
  fi
}

# setting NAME: the value that the configuration files give it.
setting() { as_postgres postgres -D "$PGDATA" -C "$1" "${CONF_ARGS[@]}" 2>/dev/null; }

# check_settings: leaves in CONF_ARGS what makes the server start: nothing, or
# the settings that it last ran with when the mounted ones cannot be read.
check_settings() {
  local reason
  CONF_ARGS=()
  FELL_BACK=''
  if [ -n "$TRY_GOOD_SETTINGS" ]; then
    fall_back
    return
  fi
  if reason=$(as_postgres postgres -D "$PGDATA" -C data_directory 2>&1 >/dev/null); then
    return 0
  fi
  say "the settings do not load, starting with the last good ones: ${reason//$'\n'/ | }"
  fall_back
}

# fall_back: prepares a configuration that reads the kept settings in the place
# of the mounted ones. It lies in the data directory, so that the relative
# names in it keep their meaning.
fall_back() {
  if [ ! -d "$GOOD_CONF" ]; then
    mkdir -m 0700 "$GOOD_CONF" && own "$GOOD_CONF" && cp "$CONF_DIRECTORY"/voodu-50-streaming.conf "$GOOD_CONF"
    own "$GOOD_CONF/voodu-50-streaming.conf"
  fi
  sed "s|^include_dir '$CONF_DIRECTORY'\$|include_dir '$GOOD_CONF'|" "$PGDATA/postgresql.conf" |
    install_file "$FALLBACK_CONF" 0600
  CONF_ARGS=(-c "config_file=$FALLBACK_CONF")
  FELL_BACK=1
}

# keep_good_settings: the server runs with the mounted settings, so they are
# what a later start can fall back on.
keep_good_settings() {
  local file
  [ -z "$FELL_BACK" ] || return 0
  [ -d "$GOOD_CONF" ] || mkdir -m 0700 "$GOOD_CONF"
  own "$GOOD_CONF"
  for file in "$CONF_DIRECTORY"/*.conf; do
    install_file "$GOOD_CONF/${file##*/}" 0600 <"$file"
  done
}

# settings_are_new: the mounted settings are not those that the server last ran
# with.
settings_are_new() {
  local file
  for file in "$CONF_DIRECTORY"/*.conf; do
    cmp -s "$file" "$GOOD_CONF/${file##*/}" || return 0
  done
  return 1
}

# standby_limits: a standby does not start with a lower limit than its primary
# had (postgres manual, 27.4.3), and after the operator lowered one the standbys
# come first. Leaves the options that keep such limits up in LIMIT_ARGS.
standby_limits() {
  local name field had
  LIMIT_ARGS=()
  for name in max_connections max_worker_processes max_wal_senders max_prepared_transactions max_locks_per_transaction; do
    field=$name
    [ "$name" != max_prepared_transactions ] || field=max_prepared_xacts
    [ "$name" != max_locks_per_transaction ] || field=max_locks_per_xact
    had=$(control "$field setting")
    if [ -n "$had" ] && [ "$(setting "$name")" -lt "$had" ] 2>/dev/null; then
      LIMIT_ARGS+=(-c "$name=$had")
    fi
  done
}
