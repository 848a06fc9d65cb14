# --- The supervisor ---------------------------------------------------------

# prepare: what every later step relies on.
prepare() {
  [[ $ENV_CLUSTER =~ ^[0-9a-f]{32}$ ]] || die "PG_CLUSTER_ID is not 32 hex digits: run vd apply again with the current plugin"
  [ -d "$BACKUPS" ] || die "$BACKUPS is not mounted, and the record of who is primary lives there: remove the volumes override from the block and apply again"
  [ -d "$VOLUME" ] || die "$VOLUME does not exist"
  exec {TICK}<> <(:)
  own_files
  sweep_unfinished
  finish_swap
  # No process of an earlier start is left in this container, and a process id in
  # an old file could be one of ours by now.
  as_postgres rm -f "$PGDATA/postmaster.pid"
}

# own_files: the server's user may write to its directories, and owns its data as
# the image's entrypoint would see to. The group of the backups stays the
# operator's.
own_files() {
  local directory
  [ "$EUID" = 0 ] || return 0
  for directory in "$BACKUPS" "$VOLUME"; do
    [ "$(stat -c %U "$directory")" = postgres ] || chown postgres "$directory" ||
      say "cannot give $directory to the postgres user; what has to be written there will fail"
  done
  # What follows takes its time on a large volume.
  leave_heartbeat
  [ ! -d "$PGDATA" ] || find "$PGDATA" ! -user postgres -exec chown -h postgres:postgres {} +
}

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
  warn_of_auto_conf
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
    repeat_recovery
    repeat_promotion
    observe
    [ "$V_RECORD" != ours ] || undo_restore
    [ "$V_RECORD:$V_STATE" != ours:steady ] || raise_timeline
    # As the recorded primary it has the data that an operator decided on.
    [ "$SHAPE:$V_PRIMARY" = "standby:$ORDINAL" ] || [ "$SHAPE" != standby ] || ! is_before_restore || SHAPE=clone
    decide
    "act_$ACTION"
  done
}

main
