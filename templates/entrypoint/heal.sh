# --- A standby that fell behind ---------------------------------------------

# tend_standby: every 10 s. Returns 1 after the server was stopped.
tend_standby() {
  if limits_are_low; then
    stop_server
    return 1
  fi
  if receiver_runs; then
    STUCK_AT='' BRANCHED_OFF=''
    [ "$V_REJOIN" != "$ORDINAL" ] || record_close_rejoin
    return 0
  fi
  heal_standby
}

# heal_standby: the primary keeps a limited amount of WAL and no slots. A standby
# that needs a segment which is gone will never stream again, so it starts over
# from a fresh copy. One that has more than the primary cannot follow it either: it
# says so, and rejoins once an operator gave that up. Returns 1 after it stopped the
# server.
heal_standby() {
  local position seen_before=$STUCK_AT
  position=$(stuck_position)
  # While the position still moves, this pod replays WAL that it has.
  STUCK_AT=$position
  [ -n "$position" ] && [ "$position" = "$seen_before" ] || return 0
  warn_of_auto_conf
  [ -z "$BRANCHED_OFF" ] || return 0
  case $(branched_off_before "$position") in
    f) ;;
    t)
      BRANCHED_OFF=1
      say "this standby has WAL that pod $V_PRIMARY never got, and cannot follow it; to give that up: vd postgres:rejoin $CLUSTER_REF --replica $ORDINAL"
      return 0
      ;;
    # It is not known.
    *) return 0 ;;
  esac
  [ "$(wal_is_gone "$position")" = t ] || return 0
  say "pod $V_PRIMARY no longer has the WAL that this standby needs after $position: cloning it again"
  RECLONE=1
  stop_server
  return 1
}

# receiver_runs: looks for the WAL receiver among the processes, without a fork. One
# that is idle has nothing that it could receive.
receiver_runs() {
  local file title
  for file in /proc/[0-9]*/cmdline; do
    { IFS= read -r -d '' title <"$file"; } 2>/dev/null
    case $title in
      "postgres: walreceiver idle"*) return 1 ;;
      "postgres: walreceiver"*) return 0 ;;
    esac
  done
  return 1
}

# is_beyond_primary: whether this standby has received WAL that its primary does not have (yet).
is_beyond_primary() {
  local received
  received=$(local_sql <<<'SELECT pg_last_wal_receive_lsn()' 2>/dev/null)
  [ -n "$received" ] || return 0
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<<"SELECT pg_current_wal_lsn() < '$received'"
}

# stuck_position: how far this standby has WAL; nothing while its replay is held
# up on purpose. Before it accepts sessions: how far it has to replay at least,
# once it looks for a segment that it does not have.
stuck_position() {
  if [ -n "$READY" ]; then
    local_sql 2>/dev/null <<'SQL'
SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
 WHERE NOT pg_is_wal_replay_paused() AND current_setting('recovery_min_apply_delay') = '0'
SQL
  elif startup_waits; then
    control 'Minimum recovery ending location'
  fi
}

# startup_waits: the process that replays says what it is doing.
startup_waits() {
  local file title
  for file in /proc/[0-9]*/cmdline; do
    { IFS= read -r -d '' title <"$file"; } 2>/dev/null
    [[ $title != "postgres: startup"*"waiting for"* ]] || return 0
  done
  return 1
}

# wal_is_gone POSITION: asks the primary whether the segment that continues at
# POSITION is older than the oldest one that it has. The timeline part of the
# names does not count. A primary that is another database altogether is no
# reason to give this data up.
wal_is_gone() {
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<SQL
SELECT NOT pg_is_in_recovery()
   AND (SELECT system_identifier::text FROM pg_control_system()) = '$(control 'Database system identifier')'
   AND div('$1'::pg_lsn - '0/0'::pg_lsn, size) <
       min(('x' || substr(file, 9, 8))::bit(32)::bigint * div(4294967296, size) + ('x' || substr(file, 17, 8))::bit(32)::bigint)
  FROM pg_ls_dir('pg_wal', true, false) AS file,
       LATERAL (SELECT setting::numeric AS size FROM pg_settings WHERE name = 'wal_segment_size') AS segment
 WHERE file ~ '^[0-9A-F]{24}\$'
 GROUP BY size
SQL
}

# branched_off_before POSITION: asks the primary whether this pod's WAL up to there is no
# part of its history: the newest timeline of that WAL is the primary's own, which is not
# as far, or one that the primary left at an earlier location, or never was on.
branched_off_before() {
  local newest
  newest=$(newest_wal "$PGDATA")
  [ -n "$newest" ] || return 0
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<SQL
SELECT NOT pg_is_in_recovery() AND
  CASE WHEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) = '$newest' THEN pg_current_wal_lsn() < '$1'
  ELSE coalesce((
    SELECT split_part(line, E'\\t', 2)::pg_lsn < '$1'
      FROM regexp_split_to_table(convert_from(coalesce(pg_read_binary_file(
             'pg_wal/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '.history', 0, 1000000, true), ''), 'UTF8'), E'\\n') AS line
     WHERE split_part(line, E'\\t', 1) = '$((16#$newest))'), true) END
SQL
}
