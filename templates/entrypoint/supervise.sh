# --- The server as a child --------------------------------------------------

CHILD='' HELPER='' STOPPING='' ROLE='' READY='' REPUBLISHED='' TRY_GOOD_SETTINGS='' UNHEEDED='' STUCK_AT='' LOOK_AT=0

# tick: one step of every wait. A read that nothing can satisfy returns after
# 0.2 s or at a signal, and forks nothing.
tick() { IFS= read -r -t 0.2 -u "$TICK" _; }

# pause SECONDS
pause() {
  local until=$((SECONDS + $1))
  while [ "$SECONDS" -lt "$until" ] && [ -z "$STOPPING" ]; do tick; done
  [ -z "$STOPPING" ] || [ -n "$CHILD" ] || exit 143
}

# retry WHAT: what failed is tried again in a moment.
retry() {
  say "$1, trying again"
  pause 1
}

# on_stop: docker stop sends INT or TERM, and both mean a fast shutdown here: a
# smart one would wait for the last client.
on_stop() {
  [ -n "$STOPPING" ] || say "stopping"
  STOPPING=1
  [ -z "$CHILD" ] || kill -INT "$CHILD" 2>/dev/null
  [ -z "$HELPER" ] || kill -TERM -- "-$HELPER" 2>/dev/null
}

on_reload() { [ -z "$CHILD" ] || kill -HUP "$CHILD" 2>/dev/null; }

child_runs() { kill -0 "$CHILD" 2>/dev/null; }

# child_ended: leaves the exit code of the child in CODE.
child_ended() {
  wait "$CHILD"
  CODE=$?
  CHILD=''
}

# stop_server: a fast shutdown, waited for.
stop_server() {
  kill -INT "$CHILD" 2>/dev/null
  while child_runs; do tick; done
  CHILD='' READY=''
}

# start_server ROLE
start_server() {
  ROLE=$1 READY=''
  LIMIT_ARGS=()
  check_settings
  [ "$ROLE" != standby ] || standby_limits
  "${DROP[@]}" postgres -D "$PGDATA" -p "$PORT" -c 'listen_addresses=*' -c password_encryption=scram-sha-256 \
    "${CONF_ARGS[@]}" "${LIMIT_ARGS[@]}" &
  CHILD=$!
}

# server_ready: the server writes into its pid file when it accepts sessions.
server_ready() {
  local lines=()
  { mapfile -t lines <"$PGDATA/postmaster.pid"; } 2>/dev/null
  [ "${lines[0]:-}" = "$CHILD" ] && [ "${lines[7]:-}" = 'ready   ' ]
}

# record_changed: the shared record is not the one that was last looked at.
record_changed() {
  record_read "$RECORD"
  [ "$TEXT" != "$SHARED_TEXT" ]
}

# watch_server: runs until the server ended, or until the record wants another
# role of this pod than the server has.
watch_server() {
  while :; do
    tick
    if ! child_runs; then
      server_ended
      return
    fi
    [ -z "$STOPPING" ] || continue
    if [ -z "$READY" ] && server_ready; then
      READY=1 LOOK_AT=0
      on_ready
    fi
    if record_changed; then
      look || return 0
    elif [ "$SECONDS" -ge "$LOOK_AT" ]; then
      LOOK_AT=$((SECONDS + 10))
      look || return 0
      [ "$ACTION:$V_STATE" != follow:steady ] || tend_standby || return 0
    fi
  done
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
# after the server was stopped because it may not run as it does.
role_holds() {
  case $ROLE:$ACTION in
    *:refuse_*)
      # What makes a boot refuse does not take a running database down.
      [ "$UNHEEDED" = "$SHARED_TEXT" ] || say "the shared record $RECORD is not one of this cluster; going on as before"
      UNHEEDED=$SHARED_TEXT
      return 0
      ;;
    primary:run_primary) ;;
    standby:follow) follow_record ;;
    standby:promote) promote_server ;;
    *)
      say "the record (epoch $V_EPOCH, primary $V_PRIMARY, $V_STATE) does not let this pod run as a $ROLE: stopping postgres"
      stop_server
      return 1
      ;;
  esac
}

# follow_record: points the running standby at the recorded primary.
follow_record() {
  choose_password "$V_PRIMARY"
  write_runtime_conf "$V_PRIMARY"
  [ -n "$RUNTIME_CHANGED" ] || return 0
  say "following pod $V_PRIMARY (epoch $V_EPOCH)"
  kill -HUP "$CHILD"
}

# promote_server: the record made this pod the primary.
promote_server() {
  [ -n "$READY" ] || return 0
  refuse_second_primary
  say "promoting this pod (epoch $V_EPOCH)"
  as_postgres pg_ctl promote -D "$PGDATA" -w -t 20 >/dev/null || die "the promotion failed, see above"
  ROLE=primary
  write_runtime_conf
  on_ready
  # pg_rewind of the old primary goes by the last checkpoint of this one.
  local_sql <<<CHECKPOINT >/dev/null 2>&1 &
}

# on_ready: what a server that just began to accept sessions still needs.
on_ready() {
  keep_good_settings
  if [ "$ROLE" = primary ]; then
    # Adds the replication role, its grants and its pg_hba.conf line where they
    # are missing, as in a cluster that the older plugin made.
    PGPORT=$PORT timeout 10 bash /docker-entrypoint-initdb.d/00_create_replication.sh ||
      say "could not check the replication role, see above; standbys may be unable to connect"
    say "pod $ORDINAL accepts writes as the primary"
  else
    say "pod $ORDINAL accepts reads as a standby of pod $V_PRIMARY"
  fi
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
  exit "$CODE"
}
