# --- A planned handover ------------------------------------------------------
# While the record says `handover` nobody starts writable. The old primary stops
# and records where; the target takes over once it has replayed that, or gives
# the role back; without a decision the old primary takes it back. All of these
# change the record under its lock, so only one of them can happen.

# record_stopped LOCATION: the old primary is down, and this is where.
record_stopped() { record_change "$1"; }

# record_take_over: the target has everything and is the primary from now on.
record_take_over() {
  local N_PRIMARY=$ORDINAL N_STATE=steady V_CLEAN=$V_PRIMARY
  [ "$V_REJOIN" != "$ORDINAL" ] || local V_REJOIN=''
  record_change
}

# record_give_back / record_take_back: the old primary stays what it was, by the
# target's or by its own decision.
record_give_back() { record_end_handover; }
record_take_back() { record_end_handover; }
record_end_handover() {
  local N_STATE=steady
  record_change
}

# --- The old primary

# hand_over_server: stops the running primary, and returns 1; what it left decides
# how the handover goes on. Returns 0 when the target is not there to take over.
hand_over_server() {
  if [ "$(target_is_there)" != t ]; then
    say "pod $V_TARGET does not stream from this pod, so it cannot take over: taking the role back"
    record_take_back
    return 0
  fi
  say "handing over to pod $V_TARGET (epoch $V_EPOCH): stopping postgres"
  deadline_in 20
  while child_runs && ! passed "$DEADLINE"; do
    kill -INT "$CHILD" 2>/dev/null
    step
  done
  if child_runs; then
    say "postgres did not stop cleanly within 20 s: stopping it at once"
    kill -QUIT "$CHILD" 2>/dev/null
  fi
  stop_server
  stopped_cleanly && record_stopped "$STOPPED_AT" && say "stopped at $STOPPED_AT"
  return 1
}

# target_is_there: whether the target streams and replies; the message makes
# every standby reply. A shutdown waits until each standby has all of the WAL, so
# the others are sent away when they cannot have it soon.
target_is_there() {
  local_sql <<SQL 2>/dev/null
\o /dev/null
SELECT pg_logical_emit_message(true, 'voodu', 'handover');
SELECT pg_sleep(0.1);
SELECT pg_terminate_backend(pid) FROM pg_stat_replication
 WHERE application_name <> 'voodu-postgres-standby-$V_TARGET'
   AND (state <> 'streaming' OR reply_time < clock_timestamp() - interval '1 s' OR pg_current_wal_lsn() - flush_lsn > 16777216);
\o
SELECT EXISTS (SELECT FROM pg_stat_replication
 WHERE application_name = 'voodu-postgres-standby-$V_TARGET'
   AND state = 'streaming' AND reply_time > clock_timestamp() - interval '3 s');
SQL
}

# stopped_cleanly: whether the data is that of a primary that was shut down. Then
# STOPPED_AT is where its last record begins, the shutdown checkpoint.
stopped_cleanly() {
  local found
  found=$(LC_ALL=C as_postgres pg_controldata -D "$PGDATA" 2>/dev/null |
    sed -n 's/^Database cluster state: *//p; s/^Latest checkpoint location: *//p')
  STOPPED_AT=${found#*$'\n'}
  [ "${found%%$'\n'*}" = 'shut down' ]
}

# act_hand_over: the old primary during a handover, down.
act_hand_over() {
  check_major
  if ! stopped_cleanly; then
    say "this pod was not shut down cleanly, so it cannot hand over: taking the role back"
    record_take_back || retry "could not write the record"
  elif [ "$V_STOPPED_AT" != "$STOPPED_AT" ]; then
    record_stopped "$STOPPED_AT" || retry "could not write the record"
  else
    await_decision
  fi
}

await_decision() {
  deadline_in 10
  until record_changed; do
    if passed "$DEADLINE"; then
      say "pod $V_TARGET did not take over within 10 s: taking the role back"
      record_take_back || retry "could not write the record"
      return
    fi
    step
    [ -z "$STOPPING" ] || exit 143
  done
}

# act_take_back: this pod became the recorded primary and has not come to run as
# one yet, so it has nothing to hand over.
act_take_back() {
  say "this pod is not writable yet, so it cannot hand over: taking the role back"
  record_take_back || retry "could not write the record"
}

# --- The target

# tend_handover: in short steps. The peer check is over before the old primary has
# stopped, while there is still somebody who writes.
tend_handover() {
  [ -n "$READY" ] && [ "$V_TARGET" = "$ORDINAL" ] || return 0
  if [ -z "$V_STOPPED_AT" ]; then
    [ "$PEERS_ASKED" = "$V_EPOCH" ] || ask_other_standbys
    return 0
  fi
  if [ "${REPLAY_BY%:*}" != "$V_EPOCH" ]; then
    deadline_in 5
    REPLAY_BY=$V_EPOCH:$DEADLINE
  fi
  if has_replayed "$V_STOPPED_AT"; then
    say "this pod has everything up to $V_STOPPED_AT: taking over from pod $V_PRIMARY"
    record_take_over && [ "$PEERS_ASKED" = $((V_EPOCH - 1)) ] && TOOK_OVER=1
  elif passed "${REPLAY_BY#*:}"; then
    say "not all WAL up to $V_STOPPED_AT arrived within 5 s: giving the role back to pod $V_PRIMARY"
    record_give_back
  else
    nudge_replay
  fi
}

# nudge_replay: when the connection ended while a record was being read, the
# replay sleeps for up to wal_retrieve_retry_interval (5 s) over WAL that is
# already here. A reload wakes it.
nudge_replay() {
  passed "$NUDGE_AT" || return 0
  kill -HUP "$CHILD"
  read_uptime && NUDGE_AT=$((UPTIME + 20))
}

# ask_other_standbys: that none of them is a second primary.
ask_other_standbys() {
  ask_peers 1 "$(addresses_of "$(pod_host "$V_PRIMARY")")"
  PEERS_ASKED=$V_EPOCH
  if [ -n "$PEER_WRITABLE" ]; then
    say "$(peer_name "$PEER_WRITABLE") already runs as a primary of $CLUSTER_REF: giving the role back to pod $V_PRIMARY"
    record_give_back
  fi
}

# has_replayed LOCATION: everything before the end of the record that begins
# there. Equal would mean that this very record is missing. On a timeline that
# branched off earlier another record would be at that place.
has_replayed() {
  [ -n "$WAL_SEGMENT" ] || WAL_SEGMENT=$(control 'Bytes per WAL segment')
  [ "$(local_sql <<<"SELECT pg_last_wal_replay_lsn() > '$1'" 2>/dev/null)" = t ] &&
    [[ $(as_postgres pg_waldump -n 1 -s "$1" "$(wal_file "$1")" 2>&1) == *CHECKPOINT_SHUTDOWN* ]]
}

# wal_file LOCATION: this pod's WAL file with that location, of the newest
# timeline.
wal_file() {
  local name file
  printf -v name '%08X%08X' $((16#${1%/*})) $((16#${1#*/} / WAL_SEGMENT))
  for file in "$PGDATA"/pg_wal/????????"$name"; do :; done
  printf '%s' "$file"
}
