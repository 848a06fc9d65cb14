# --- A planned handover ------------------------------------------------------
# While the record says `handover` nobody starts writable. The old primary stops
# and records where; the target takes over once it has replayed that, or gives
# the role back; without a decision the old primary takes it back. All of these
# change the record under its lock, so only one of them can happen.

# record_stopped LOCATION: the old primary is down, and this is where.
record_stopped() {
  record_next "stopped_at=$1"
  record_replace stop_counts record_render
}

# record_take_over: the target has everything and is the primary from now on, on a new
# timeline.
record_take_over() {
  local rejoin=$V_REJOIN timeline='' clean=$V_PRIMARY
  [ "$rejoin" != "$ORDINAL" ] || rejoin=''
  if [ -n "$V_TIMELINE" ]; then
    timeline=$(newest_timeline)
    [ "$timeline" -ge "$V_TIMELINE" ] || timeline=$V_TIMELINE
    timeline=$((timeline + 1))
    clean=$(clean_without "$ORDINAL" "$V_PRIMARY")
    clean+=${clean:+,}$V_PRIMARY@$V_STOPPED_AT
  fi
  record_change "primary=$ORDINAL" state=steady "timeline=$timeline" "clean=$clean" "rejoin=$rejoin"
}

# record_give_back / record_take_back: the old primary stays what it was, by the
# target's or by its own decision.
record_give_back() { record_change state=steady; }
record_take_back() { record_change state=steady; }

# --- The old primary

# hand_over_server: stops the running primary, and returns 1; what it left decides
# how the handover goes on. Returns 0 when nobody could take over, and the server
# goes on.
hand_over_server() {
  local sender looked=0
  if ! sender=$(target_sender); then
    say "this pod's own server did not answer, so it is not known whether pod $V_TARGET streams: taking the role back"
    record_take_back
    return 0
  fi
  if [[ ! $sender =~ ^[0123456789]+$ ]]; then
    say "pod $V_TARGET does not stream from this pod, so it cannot take over: taking the role back"
    record_take_back
    return 0
  fi
  # From the stop on, what has to be written must not depend on free space.
  if ! reserve_space "$BACKUPS" || ! reserve_space "$VOLUME"; then
    say "there is no space left for the record in $BACKUPS or $VOLUME: taking the role back"
    record_take_back
    return 0
  fi
  say "handing over to pod $V_TARGET (epoch $V_EPOCH): stopping postgres"
  deadline_in 20
  read_uptime && looked=$UPTIME
  while child_runs && ! passed "$DEADLINE"; do
    kill -INT "$CHILD" 2>/dev/null
    step
    # A server that wrote its shutdown checkpoint can wait for its archive command.
    if passed $((looked + 30)); then
      read_uptime && looked=$UPTIME
      ! stopped_cleanly || break
      end_other_senders "$sender"
    fi
  done
  if ! stopped_cleanly; then
    if child_runs; then
      say "postgres did not stop cleanly within 20 s: stopping it at once"
      kill -QUIT "$CHILD" 2>/dev/null
    fi
    stop_server
    stopped_cleanly || return 1
  fi
  announce_stop && say "stopped at $STOPPED_AT"
  end_server
  return 1
}

# target_sender: the process that sends WAL to the target, when that streams and replies;
# the message makes every standby reply. A fast shutdown waits until each WAL sender has
# sent everything and was answered, so the others are sent away when they cannot have it
# soon: standbys that are behind, and whoever is no standby of the cluster, like a consumer
# of a logical slot that confirms only what it has stored. On a full server this session
# is a WAL sender itself.
target_sender() {
  local_sql <<SQL 2>/dev/null
\o /dev/null
SELECT pg_logical_emit_message(true, 'voodu', 'handover');
SELECT pg_sleep(0.1);
SELECT pg_terminate_backend(pid) FROM pg_stat_replication
 WHERE pid <> pg_backend_pid() AND application_name <> 'voodu-postgres-standby-$V_TARGET'
   AND (application_name !~ '^voodu-postgres-standby-[0-9]+\$' OR state <> 'streaming'
     OR reply_time < clock_timestamp() - interval '1 s' OR pg_current_wal_lsn() - flush_lsn > 16777216);
\o
SELECT max(pid) FROM pg_stat_replication
 WHERE application_name = 'voodu-postgres-standby-$V_TARGET'
   AND state = 'streaming' AND reply_time > clock_timestamp() - interval '3 s';
SQL
}

# end_other_senders PROCESS: the WAL senders besides that one, which hold the shutdown up:
# those that connected after the others were sent away, or that stopped replying.
end_other_senders() {
  local file title process
  for file in /proc/[0-9]*/cmdline; do
    { IFS= read -r -d '' title <"$file"; } 2>/dev/null
    process=${file#/proc/} process=${process%/cmdline}
    if [[ $title != "postgres: "*"walsender "* ]] || [ "$process" = "$1" ]; then
      continue
    fi
    say "ending the WAL sender $process, which holds up the shutdown: ${title//[![:print:]]/ }"
    kill -TERM "$process" 2>/dev/null
  done
}

# end_server: the stop is announced, and nobody waits for the process any more. It still
# sends the target what that lacks, and ends by itself unless an archive command hangs.
end_server() {
  deadline_in 10
  while child_runs; do
    if passed "$DEADLINE" || { record_changed && record_parse "$TEXT" && [ "$R_STATE" != handover ]; }; then
      kill -QUIT "$CHILD" 2>/dev/null
    fi
    step
  done
  stop_server
}

# stop_aloud: a fast shutdown that the record asks for, however long it takes to write the
# checkpoint or to archive one segment after the other. What holds it up otherwise is named,
# and ended as in a handover.
stop_aloud() {
  local waited=0 idle=0 left before=''
  deadline_in 10
  while child_runs; do
    kill -INT "$CHILD" 2>/dev/null
    step
    passed "$DEADLINE" || continue
    deadline_in 10
    waited=$((waited + 10)) idle=$((idle + 10))
    if ! stopped_cleanly; then
      say "postgres has not stopped after $waited s: it writes its shutdown checkpoint, or waits for a WAL sender"
      end_other_senders ''
      continue
    fi
    left=("$PGDATA"/pg_wal/archive_status/*.ready)
    [ "${#left[@]}" = "$before" ] || idle=0
    before=${#left[@]}
    if [ "$idle" -lt 40 ] && ! record_moved; then
      say "postgres is shut down and has not ended after $waited s: it waits for archive_command or for a WAL sender"
    else
      say "what postgres waits for does not end: stopping postgres at once; what archive_command has not archived stays in $PGDATA/pg_wal, as long as these data are there"
      end_server
    fi
  done
  stop_server
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

# stop_counts LOADED: the handover is still the one that this pod stopped for. The stop is
# noted in this pod's volume before the other pods can know of it.
stop_counts() { record_decided_on "$1" && note_stop; }
note_stop() {
  read_file "$ANNOUNCED" && [ "$TEXT" = "$((V_EPOCH + 1))"$'\n' ] && return
  record_install "$ANNOUNCED" "$((V_EPOCH + 1))" && sync "$VOLUME"
}

# announce_stop: from now on the target can take over. A stop that could not be announced
# leaves the role with this pod.
announce_stop() {
  record_stopped "$STOPPED_AT" || {
    as_postgres rm -f "$ANNOUNCED"
    return 1
  }
}

# act_hand_over: the old primary during a handover, down.
act_hand_over() {
  check_major
  if ! stopped_cleanly; then
    say "this pod was not shut down cleanly, so it cannot hand over: taking the role back"
    record_take_back || resume
  elif [ "$V_STOPPED_AT" != "$STOPPED_AT" ]; then
    announce_stop || resume
  else
    await_decision
  fi
}

# resume: the record cannot be written. While the stop was not announced no other pod can
# take over, so this one goes on as the primary, whatever the record says.
resume() {
  [ -z "$UNWRITTEN" ] && deadline_in 5 && UNWRITTEN=$DEADLINE
  retry "could not write the record"
  passed "$UNWRITTEN" || return 0
  UNWRITTEN=''
  if [ -z "$V_STOPPED_AT" ] && ! record_moved; then
    say "the record cannot be written, and the stop of this pod was not announced: going on as the primary"
    RESUMED=$V_EPOCH
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
    [ "$PEERS_ASKED" = "$V_EPOCH" ] || prepare_take_over
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

# prepare_take_over: what the new role needs is there before the old primary stops.
prepare_take_over() {
  local lacking
  if lacking=$(lacks_room); then
    PEERS_ASKED=$V_EPOCH
    say "$lacking, so this pod cannot take over: giving the role back to pod $V_PRIMARY"
    record_give_back
  else
    ask_other_standbys
  fi
}

# lacks_room: says what a promotion would have no room for; returns 1 when it has. A new
# timeline begins with a WAL segment of its own, and writes go on in the next.
lacks_room() {
  local free need
  [ -n "$WAL_SEGMENT" ] || WAL_SEGMENT=$(control 'Bytes per WAL segment')
  need=$((2 * ${WAL_SEGMENT:-16777216} / 1024 + 16384))
  free=$(free_in_volume)
  if [ "${free:-$need}" -lt "$need" ]; then
    printf '%s' "$VOLUME has $free kB left, and a new timeline needs $need kB"
  elif ! reserve_space "$BACKUPS" || ! reserve_space "$VOLUME"; then
    printf '%s' "there is no space left for the record in $BACKUPS or $VOLUME"
  else
    return 1
  fi
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
