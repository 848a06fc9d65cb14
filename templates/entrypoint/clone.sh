# --- A standby's copy of the primary ----------------------------------------

# act_clone: copies the primary into this pod's volume. A clone that anything
# interrupts starts over, because the sentinel goes last. Complete data stay until the
# copy is there; what is incomplete stays until the primary answers.
act_clone() {
  choose_password "$V_PRIMARY"
  wait_for_primary || return 0
  if data_are_complete; then
    TRY_GOOD_SETTINGS=''
    copy_beside
    return 0
  fi
  say "cloning pod $V_PRIMARY"
  sentinel_set "$CLONE_SENTINEL" || die "cannot write to $VOLUME"
  RECLONE='' TRY_GOOD_SETTINGS=''
  as_postgres rm -f "$INIT_SENTINEL" "$OLDER_CLONE_SENTINEL"
  { wipe_tablespaces && data_wipe; } || die "cannot empty $PGDATA"
  if ! base_backup "$PGDATA"; then
    back_off
    return 0
  fi
  CLONE_PAUSE=1
  observe
  { forget_restores && make_standby && record_keep && sentinel_clear "$CLONE_SENTINEL"; } || die "cannot finish the clone in $PGDATA"
  say "cloned pod $V_PRIMARY"
}

# wipe_tablespaces: what an interrupted copy left where the primary has
# tablespaces.
wipe_tablespaces() {
  local locations location
  locations=$(remote_sql "$(pod_host "$V_PRIMARY")" <<<"SELECT string_agg(pg_tablespace_location(oid), '|') FROM pg_tablespace")
  while IFS= read -r -d '|' location; do
    [ -z "$location" ] || wipe_tablespace "$location" || return 1
  done <<<"$locations|"
}

# back_off: each failure of a copy costs the primary a checkpoint.
back_off() {
  pause "$CLONE_PAUSE"
  [ "$CLONE_PAUSE" -ge 60 ] || CLONE_PAUSE=$((CLONE_PAUSE * 2))
}

# base_backup DIRECTORY: copies the recorded primary. A spread checkpoint would
# make the copy wait for minutes. One sync of the file system, before the copy
# counts, is faster than one of each file. Nobody reads a manifest here, and a
# server with a temp_file_limit could not make one for this role.
base_backup() {
  PGOPTIONS=$(options_of replication) PGPASSWORD=$REPLICATION_PASSWORD setsid "${DROP[@]}" pg_basebackup -D "$1" -X stream -c fast --no-manifest --no-sync --no-password \
    -d "host=$(pod_host "$V_PRIMARY") port=$PORT user=$REPLICATION_USER application_name=voodu-postgres-clone-$ORDINAL" &
  await_helper $! "copying pod $V_PRIMARY"
}

# make_standby: the copy follows the recorded primary from its first start on.
make_standby() {
  install_file "$PGDATA/standby.signal" 0600 </dev/null && wire_settings && write_runtime_conf "$V_PRIMARY" && stamp_restored
}

# wait_for_primary: asks once a second, for five minutes, until the recorded
# primary accepts writes. Returns 1 when the record changed meanwhile.
wait_for_primary() {
  local host deadline answer said='' next=0
  host=$(pod_host "$V_PRIMARY")
  deadline_in 300
  deadline=$DEADLINE
  until answer=$(remote_sql "$host" <<<'SELECT pg_is_in_recovery()' 2>&1) && [ "$answer" = f ]; do
    [ "$answer" != t ] || answer="it is still in recovery"
    answer=${answer//$'\n'/ | }
    # Before its first boot is over a primary says so too.
    [ -z "$said" ] || answer+=$(older_password "$answer")
    if [ "$TICKS" -ge "$next" ]; then
      say "waiting for pod $V_PRIMARY: $answer"
      said=1 next=$((TICKS + 30 * 5))
    fi
    ! passed "$deadline" || die "pod $V_PRIMARY ($host) did not become a usable primary in 5 minutes: $answer"
    pause 1
    ! record_changed || return 1
  done
  # While nobody answered, there was nothing to choose by.
  [ -z "$said" ] || choose_password "$V_PRIMARY"
}

# older_password ANSWER: the way out, where this pod has no other password than that of its
# environment, and the role got another one since: a pod that lost its volume.
older_password() {
  [[ $1 != *"password authentication failed"* ]] ||
    printf '; the password was changed since the last apply, which gives this pod the new one: vd apply -f <file>'
}

# await_helper PID WHAT [to-its-end]: waits for a long step, which leads a process group.
# Returns 1 when it failed, or was given up because the record moved. A step that goes on
# to its end leaves useless data when it is interrupted: a stop of the pod waits for it as
# long as docker waits for the pod.
await_helper() {
  local code given_up='' helper=$1 to_its_end=${3:-}
  [ -n "$to_its_end" ] || HELPER=$helper
  while kill -0 "$helper" 2>/dev/null; do
    step
    if [ -z "$given_up" ] && record_moved; then
      say "the record changed, giving up $2"
      given_up=1
      kill -TERM -- "-$helper" 2>/dev/null
    fi
    [ -z "$STOPPING" ] || [ -n "$to_its_end" ] || kill -TERM -- "-$helper" 2>/dev/null
  done
  wait "$helper"
  code=$?
  HELPER=''
  [ -z "$STOPPING" ] || [ "$to_its_end:$code" = to-its-end:0 ] || exit 143
  if [ "$code" != 0 ]; then
    say "$2 failed with exit code $code, see above"
    return 1
  fi
}
