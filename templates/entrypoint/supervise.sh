# --- The server as a child --------------------------------------------------

# tick: one step of every wait, a fifth of a second. A read that nothing can
# satisfy returns after that or at a signal, and forks nothing. Time is counted in
# these steps: the machine's clock can be set back.
tick() {
  IFS= read -r -t 0.2 -u "$TICK" _
  TICKS=$((TICKS + 1))
  beat 6
}

# deadline_in SECONDS / passed DEADLINE: for what must be over at a certain time,
# whatever the steps cost. The uptime is a clock that nobody sets, and reading it
# forks nothing. In hundredths of a second; leaves DEADLINE.
deadline_in() { read_uptime && DEADLINE=$((UPTIME + $1 * 100)); }
passed() { read_uptime && [ "$UPTIME" -ge "$1" ]; }
read_uptime() {
  local seconds hundredths
  IFS='. ' read -r seconds hundredths _ </proc/uptime
  UPTIME=$((seconds * 100 + 10#$hundredths))
}

# step: a shorter one, for what is over soon.
step() {
  IFS= read -r -t 0.03 -u "$TICK" _
  beat 1
}

# in_steps COMMAND...: runs what can take minutes on a large volume. The heartbeat goes on
# meanwhile, and a stop reaches the server. Returns the command's status.
in_steps() {
  local command
  "$@" &
  command=$!
  while kill -0 "$command" 2>/dev/null; do step; done
  wait "$command"
}

# remove_tree DIRECTORY... / sync_tree DIRECTORY: all of it.
remove_tree() { in_steps as_postgres rm -rf "$@"; }
sync_tree() { in_steps sync -f "$1"; }

# pause SECONDS
pause() {
  local until=$((TICKS + $1 * 5))
  while [ "$TICKS" -lt "$until" ] && [ -z "$STOPPING" ]; do tick; done
  [ -z "$STOPPING" ] || [ -n "$CHILD" ] || exit 143
}

# retry WHAT: what failed is tried again in a moment.
retry() {
  say "$1, trying again"
  pause 1
}

child_runs() { kill -0 "$CHILD" 2>/dev/null; }

# child_ended: leaves the exit code of the child in CODE.
child_ended() {
  wait "$CHILD"
  CODE=$?
  CHILD=''
}

# stop_server: a fast shutdown, waited for. The signal is repeated, because one
# that comes before the server listens for it is lost.
stop_server() {
  while child_runs; do
    kill -INT "$CHILD" 2>/dev/null
    step
  done
  CHILD='' READY='' PROMOTING=''
}

# start_server ROLE
start_server() {
  ROLE=$1 READY='' UNBIDDEN=''
  LIMIT_ARGS=()
  check_settings
  [ "$ROLE" != standby ] || { drop_placeholders && standby_limits; }
  [ -z "$STOPPING" ] || exit 143
  "${DROP[@]}" postgres -D "$PGDATA" -p "$PORT" -c 'listen_addresses=*' -c password_encryption=scram-sha-256 \
    "${CONF_ARGS[@]}" "${LIMIT_ARGS[@]}" &
  CHILD=$!
}

# server_ready: the server writes into its pid file when it accepts sessions.
server_ready() {
  read_file "$PGDATA/postmaster.pid"
  [ "${TEXT%%$'\n'*}" = "$CHILD" ] && [[ $TEXT == *$'\nready   \n' ]]
}

# record_changed: the shared record is not the one that was last looked at.
record_changed() {
  read_file "$RECORD"
  [ "$TEXT" != "$SHARED_TEXT" ]
}

# record_moved: it names another primary or state than the one in view, so that a long
# step for that primary has lost its sense. What is asked of another pod has no part in
# it.
record_moved() {
  record_changed && record_parse "$TEXT" &&
    [ "$R_CLUSTER $R_PRIMARY $R_STATE" != "$V_CLUSTER $V_PRIMARY $V_STATE" ]
}

# watch_server: runs until the server ended, or until the record wants another
# role of this pod than the server has.
watch_server() {
  while :; do
    next_step
    if ! child_runs; then
      server_ended
      return
    fi
    if [ -n "$STOPPING" ]; then
      kill -INT "$CHILD" 2>/dev/null
      continue
    fi
    if [ -z "$READY" ] && server_ready; then
      READY=1 LOOK_AT=0
      on_ready
    fi
    if left_recovery || record_changed; then
      look || return 0
    elif [ "$TICKS" -ge "$LOOK_AT" ]; then
      LOOK_AT=$((TICKS + 10 * 5))
      reserve_space "$BACKUPS"
      reserve_space "$VOLUME"
      look || return 0
      [ "$ACTION:$V_STATE" != follow:steady ] || tend_standby || return 0
    fi
    [ "$V_STATE" != handover ] || tend_handover
  done
}

# next_step: until something is to be done. What a handover takes is time in which
# nobody can write, unless the old primary goes on because it cannot write the record:
# then it is to look again and again.
next_step() {
  if [ -z "$STOPPING" ] && record_changed; then
    return
  elif { [ "$V_STATE" = handover ] && [ "$RESUMED" != "$V_EPOCH" ]; } || [ -n "$PROMOTING" ]; then
    step
  else
    tick
  fi
}

# look: holds the running server against the record. Returns 1 after the server
# was stopped.
look() {
  SHAPE=$ROLE
  observe
  decide
  role_holds
}

# role_holds: lets the running server follow the record where it can. Returns 1
# after the server was stopped because it may not run as it does, and for nothing else:
# the caller takes it that no server runs.
role_holds() {
  case $ROLE:$ACTION in
    # No record ever said that this pod is to write.
    primary:refuse_* | primary:wait_for_outcome)
      if [ -n "$UNBIDDEN" ]; then
        say "no record in force says that this pod is the primary: stopping postgres"
        stop_server
        return 1
      fi
      ;;&
    # What makes a boot refuse or wait does not take a running database down.
    *:refuse_*) go_on "the shared record $RECORD is not one of this cluster" ;;
    *:wait_for_outcome) go_on "the shared record $RECORD is $V_RECORD, and this pod cannot say who is primary" ;;
    # Where it cannot be written the next look tries again.
    primary:run_primary) [ "$V_STATE" != handover ] || record_take_back || : ;;
    primary:hand_over) hand_over_server || return 1 ;;
    standby:follow)
      if is_before_restore; then
        say "this standby's data are older than the last restore: cloning pod $V_PRIMARY again"
        RECLONE=1
        stop_server
        return 1
      fi
      follow_record || :
      ;;
    standby:rejoin)
      if receiver_runs && [ "$(is_beyond_primary)" != t ]; then
        REJOINED=1
      else
        stop_server
        return 1
      fi
      ;;
    standby:promote) promote_server ;;
    standby:take_back) act_take_back || : ;;
    *)
      [ "$ROLE:$V_STATE" != primary:maintenance ] || keep_verifiers
      say "the record (epoch $V_EPOCH, primary $V_PRIMARY, $V_STATE) does not let this pod run as a $ROLE: stopping postgres"
      stop_aloud
      return 1
      ;;
  esac
}

# go_on WHY: says it once for each text of the record.
go_on() {
  [ "$UNHEEDED" = "$SHARED_TEXT." ] || say "$1; going on as before"
  UNHEEDED=$SHARED_TEXT.
}

# follow_record: points the running standby at the recorded primary.
follow_record() {
  if receiver_runs; then
    keep_stored_password
  else
    choose_password "$V_PRIMARY"
  fi
  write_runtime_conf "$V_PRIMARY"
  [ -n "$RUNTIME_CHANGED" ] || return 0
  BRANCHED_OFF=''
  say "following pod $V_PRIMARY (epoch $V_EPOCH)"
  kill -HUP "$CHILD"
}

# promote_server: the record made this pod the primary. A promotion takes as long
# as there is WAL to replay; the watch goes on meanwhile.
promote_server() {
  [ -n "$READY" ] && [ -z "$PROMOTING" ] || return 0
  # Who took over in a handover asked them in time, and the clients wait.
  [ -n "$TOOK_OVER" ] || refuse_second_primary
  TOOK_OVER=''
  claim_timeline
  case $? in
    1) return 0 ;;
    2) cannot_promote || return 1 ;;
  esac
  say "promoting this pod (epoch $V_EPOCH${V_TIMELINE:+, timeline $V_TIMELINE})"
  as_postgres pg_ctl promote -D "$PGDATA" -W >/dev/null || cannot_promote || return 1
  PROMOTING=1
  write_runtime_conf
}

# left_recovery: the standby became a primary. When the record did not ask for
# that, the look that follows stops it.
left_recovery() {
  [ "$ROLE" = standby ] && [ -n "$READY" ] && [ ! -e "$PGDATA/standby.signal" ] || return 1
  if [ -n "$PROMOTING" ]; then
    [ "$(local_sql <<<'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ] || return 1
    PROMOTING='' ROLE=primary
    keep_timeline
    on_ready
    # pg_rewind of the old primary goes by the last checkpoint of this one.
    local_sql <<<CHECKPOINT >/dev/null 2>&1 &
  else
    say "this standby was promoted without the record"
    ROLE=primary UNBIDDEN=1
  fi
}

# cannot_promote: always returns 1, after the server was stopped.
cannot_promote() {
  stop_server
  hand_back || die "the promotion failed, see above"
  return 1
}

# hand_back: this pod took over in a handover and cannot be promoted. As long as it is a
# standby it wrote nothing, so the pod that handed over still has everything: that one is
# the pod whose stop is the last thing in this one's WAL, and nobody who stopped before.
hand_back() {
  local predecessor=${V_CLEAN##*,}
  [ "$V_STATE" = steady ] && [ "$V_PRIMARY" = "$ORDINAL" ] && [ -n "$V_TIMELINE" ] && [[ $predecessor == *@* ]] || return 1
  wal_ends_with_stop "${predecessor#*@}" || return 1
  say "this pod cannot be promoted, see above: giving the role back to pod ${predecessor%@*}"
  record_hand_back "${predecessor%@*}"
}

# wal_ends_with_stop LOCATION: whether the last record of this pod's WAL is a shutdown
# checkpoint, and is there.
wal_ends_with_stop() {
  local records
  records=$(as_postgres pg_waldump -p "$PGDATA/pg_wal" -t "$(own_timeline)" -s "$1" 2>/dev/null | head -n 2)
  [[ $records == *"lsn: $(padded "$1"), "*CHECKPOINT_SHUTDOWN* ]] && [[ $records != *$'\n'* ]]
}

# padded LOCATION: as pg_waldump prints it, with eight digits after the slash.
padded() { printf '%s/%08X' "${1%/*}" "$((16#${1#*/}))"; }

# record_hand_back ORDINAL: this pod took over and cannot be promoted; the pod that handed
# over becomes the primary again, on a timeline of its own.
record_hand_back() {
  local rejoin=$V_REJOIN
  [ "$rejoin" != "$1" ] || rejoin=''
  record_change "primary=$1" "timeline=$((V_TIMELINE + 1))" "clean=$(clean_without "$1")" "rejoin=$rejoin"
}

# on_ready: what a server that just began to accept sessions still needs.
on_ready() {
  keep_good_settings
  note_refused_login
  tidy_after_restore
  if [ "$ROLE" = primary ]; then
    # Adds the replication role, its grants and its pg_hba.conf line where they
    # are missing, as in a cluster that the older plugin made.
    PGPORT=$PORT VOODU_SESSION_OPTIONS=$(options_of superuser) timeout 10 "${DROP[@]}" bash /docker-entrypoint-initdb.d/00_create_replication.sh ||
      say "could not check the replication role, see above; standbys may be unable to connect"
    say "pod $ORDINAL accepts writes as the primary"
  else
    say "pod $ORDINAL accepts reads as a standby of pod $V_PRIMARY"
  fi
}

# note_refused_login: what this pod does not find out, it does not act on.
note_refused_login() {
  local answer
  answer=$(local_sql <<<'SELECT 1' 2>&1) ||
    say "cannot log in to this pod's own server: ${answer##*$'\n'}; a change of roles may wait for that: put pg_hba.conf right, or apply the block when the password was changed"
}

# server_ended: leaves with the server's exit code, unless settings that it
# never ran with may be what ended it.
server_ended() {
  child_ended
  [ -z "$STOPPING" ] || exit "$CODE"
  if [ -z "$READY" ] && [ -z "$FELL_BACK" ] && settings_are_new; then
    say "postgres ended with exit code $CODE before it was ready, see above; trying the settings that it last ran with"
    TRY_GOOD_SETTINGS=1
    return
  fi
  say "postgres ended with exit code $CODE"
  if [ -n "$PROMOTING" ] && [ -e "$PGDATA/standby.signal" ] && hand_back; then
    PROMOTING=''
    return
  fi
  if [ "$ROLE" = standby ] && [ -z "$READY" ]; then
    say "when the lines above speak of a timeline, this pod has WAL that pod $V_PRIMARY never got; to give that up: vd postgres:rejoin $CLUSTER_REF --replica $ORDINAL"
  fi
  exit "$CODE"
}
