# --- The supervisor ---------------------------------------------------------

# prepare: what every later step relies on.
prepare() {
  [[ $ENV_CLUSTER =~ ^[0-9a-f]{32}$ ]] || die "PG_CLUSTER_ID is not 32 hex digits: run vd apply again with the current plugin"
  [ -d "$BACKUPS" ] || die "$BACKUPS is not mounted, and the record of who is primary lives there: remove the volumes override from the block and apply again"
  [ -d "$VOLUME" ] || die "$VOLUME does not exist"
  own_directory "$BACKUPS"
  own_directory "$VOLUME"
  finish_swap
  exec {TICK}<> <(:)
  trap on_stop INT TERM
  trap on_reload HUP
}

# own_directory DIRECTORY: the server's user may write there. The group stays
# the operator's.
own_directory() { [ "$EUID" != 0 ] || chown postgres "$1" || die "cannot give $1 to the postgres user"; }

act_run_primary() {
  check_major
  if [ -n "$REPUBLISHED" ]; then
    # The pods' copies can be of different ages: the newest one wins, so give the
    # others the time to publish theirs.
    REPUBLISHED=''
    pause 3
    return 0
  fi
  refuse_second_primary
  if [ "$V_RECORD" = none ]; then
    record_create || retry "could not write the first record"
    return 0
  fi
  { wire_settings && write_runtime_conf; } || die "cannot write in $VOLUME"
  say "starting as the primary (epoch $V_EPOCH)"
  start_server primary
  watch_server
}

act_follow() {
  check_major
  choose_password "$V_PRIMARY"
  { wire_settings && write_runtime_conf "$V_PRIMARY"; } || die "cannot write in $PGDATA"
  say "starting as a standby of pod $V_PRIMARY"
  start_server standby
  watch_server
}

# act_promote: the server starts as the standby that it is, and the watch
# promotes it.
act_promote() {
  check_major
  { wire_settings && write_runtime_conf; } || die "cannot write in $PGDATA"
  start_server standby
  watch_server
}

main() {
  prepare
  while :; do
    [ -z "$STOPPING" ] || exit 143
    data_shape
    observe
    decide
    "act_$ACTION"
  done
}

main
