# --- A pod with a history of its own follows again --------------------------

# A copy that is made beside the old data. The mark says that it is complete, so
# that whatever interrupts the swap, a later boot finishes it.
BESIDE=$VOLUME/.voodu-beside
BESIDE_COMPLETE=$VOLUME/.voodu-beside-complete
REPLACED=$VOLUME/.voodu-replaced
# pg_rewind found nothing to rewind.
NO_REWIND=$VOLUME/.voodu-no-rewind
# A standby's data are being recovered without its standby.signal. The server that does it
# ends the recovery on the primary's own timeline, so these data are a standby's still.
RECOVERING=$VOLUME/.voodu-recovering

# act_follow_clean: everything that this pod had as a primary was received by the
# new one before the handover, so there is nothing to rewind. Data that end elsewhere
# were written to since, and count as those of any old primary.
act_follow_clean() {
  check_major
  # A list of an earlier release names no location.
  if ! stopped_cleanly || [ "${CLEAN_AT:-$STOPPED_AT}" != "$STOPPED_AT" ]; then
    [ "$V_REJOIN" = "$ORDINAL" ] || act_guard
    act_rejoin
    return
  fi
  { make_standby && sync "$PGDATA"; } || die "cannot write in $PGDATA"
}

# act_rejoin: an operator gave up what only this pod has, an old primary or a
# standby. Rewinds the data to where the primary's history branched off; where that
# cannot be done, copies the primary. What is there is not touched before one of the
# two is known to work.
act_rejoin() {
  # What kept the server from starting may have been these data.
  TRY_GOOD_SETTINGS=''
  check_major
  choose_password "$V_PRIMARY"
  write_passfile || die "cannot write in $VOLUME"
  wait_for_primary || return 0
  check_settings
  # Before its first checkpoint a promoted server still claims the old timeline,
  # and pg_rewind would find nothing to do.
  until [ "$(primary_has_checkpointed)" = t ]; do
    pause 1
    wait_for_primary || return 0
    ! record_changed || return 0
  done
  # A primary that is away for a moment is no reason for a copy.
  if recover_data && { check_rewind || { wait_for_primary && check_rewind; }; }; then
    if [ -e "$NO_REWIND" ]; then
      # pg_rewind compares numbers and locations, and never looks at the WAL itself.
      if [ "$(is_in_history)" != t ]; then
        say "nothing is to be rewound, and it is not certain that the primary has all of this pod's WAL: copying pod $V_PRIMARY instead"
        copy_beside
        return 0
      fi
    fi
    # From here on a copy is the only other way.
    sentinel_set "$CLONE_SENTINEL" || die "cannot write to $VOLUME"
    say "rewinding this pod's data to the history of pod $V_PRIMARY"
    rewind || return 0
    { forget_restores && make_standby && as_postgres rm -f "$RECOVERING" && sentinel_clear "$CLONE_SENTINEL"; } ||
      die "cannot finish the rewind in $PGDATA"
    REJOINED=1
    say "rewound this pod's data"
    [ -z "$STOPPING" ] || exit 143
  elif ! record_moved; then
    say "this pod's data cannot be rewound, see above: copying pod $V_PRIMARY instead"
    copy_beside
  fi
}

primary_has_checkpointed() {
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<'SQL'
SELECT timeline_id = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int FROM pg_control_checkpoint()
SQL
}

# recover_data: pg_rewind wants data that was shut down; after a crash that takes
# a recovery first (postgres manual, pg_rewind, Notes).
recover_data() {
  case $(control 'Database cluster state') in
    'shut down' | 'shut down in recovery') return 0 ;;
  esac
  say "recovering this pod's data from its crash"
  if [ -e "$PGDATA/standby.signal" ]; then
    sentinel_set "$RECOVERING" || die "cannot write to $VOLUME"
    as_postgres rm -f "$PGDATA/standby.signal"
  fi
  setsid "${DROP[@]}" postgres --single -D "$PGDATA" "${CONF_ARGS[@]}" template1 </dev/null >/dev/null &
  await_helper $! "the recovery"
}

# repeat_recovery: a rejoin was interrupted after that.
repeat_recovery() {
  [ -e "$RECOVERING" ] || return 0
  if [ "$SHAPE" = primary ]; then
    { install_file "$PGDATA/standby.signal" 0600 </dev/null && sync "$PGDATA"; } || die "cannot write in $PGDATA"
    SHAPE=standby
  fi
  as_postgres rm -f "$RECOVERING"
}

# check_rewind: pg_rewind makes all its checks before it changes anything, and with
# --dry-run goes on to fetch what it does not write. It says how much that is first,
# and is ended there.
check_rewind() {
  rewind_command
  as_postgres rm -f "$NO_REWIND"
  # shellcheck disable=SC2016 # The inner shell expands it.
  LC_ALL=C setsid bash -c '
    mark=$1
    shift
    while IFS= read -r line; do
      printf "%s\n" "$line" >&2
      if [[ $line == *"need to copy"* ]]; then
        kill "$!"
        exit 0
      elif [[ $line == *"no rewind required"* ]]; then
        "${@:2:$1}" touch "$mark"
      fi
    done < <(exec "${@:2}" 2>&1)
    wait "$!"' bash "$NO_REWIND" "${#DROP[@]}" "${REWIND[@]}" --dry-run --progress &
  await_helper $! "the check before pg_rewind"
}

rewind() {
  rewind_command
  LC_ALL=C setsid "${REWIND[@]}" --progress &
  await_helper $! "pg_rewind" to-its-end
}

# is_in_history: whether the primary has the end of this pod's WAL, byte for byte: t, f, or
# nothing where that cannot be known. Where an end is the same, so is all before it.
is_in_history() {
  local size end from segment file sum
  size=$(control 'Bytes per WAL segment')
  end=$(wal_end)
  [ -n "$size" ] && [ -n "$end" ] || return 0
  from=$(((end - 1) / 8192 * 8192))
  printf -v segment '%08X%08X' $((from / 4294967296)) $((from % 4294967296 / size))
  printf -v file '%08X%s' "$(own_timeline)" "$segment"
  sum=$(as_postgres dd "if=$PGDATA/pg_wal/$file" bs=8192 skip=$((from % size / 8192)) count=1 2>/dev/null | head -c $((end - from)) | md5sum)
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<SQL
SELECT bool_or(md5(pg_read_binary_file('pg_wal/' || name, $((from % size)), $((end - from)), true)) = '${sum%% *}')
  FROM pg_ls_dir('pg_wal', true, false) AS name
 WHERE name ~ '^[0-9A-F]{24}\$' AND substr(name, 9) = '$segment' AND name >= '$file'
   AND substr(name, 1, 8) <= substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
SQL
}

# wal_end: where the last record of this pod's WAL ends, in bytes since the beginning of
# all WAL.
wal_end() {
  local end
  read -r end _ < <(as_postgres pg_waldump -p "$PGDATA/pg_wal" -t "$(own_timeline)" -s "$(control 'Latest checkpoint location')" 2>/dev/null | sum_wal 0)
  [ "${end:-0}" = 0 ] || printf '%s' "$end"
}

# rewind_command: connects to the database in which the role has its grants.
rewind_command() {
  REWIND=("${DROP[@]}" env "PGOPTIONS=$(options_towards "$(pod_host "$V_PRIMARY")")" pg_rewind -D "$PGDATA" --source-server="host=$(pod_host "$V_PRIMARY") port=$PORT \
user=$REPLICATION_USER dbname=$DATABASE passfile=$PASSFILE")
}

# copy_beside: copies the primary next to the old data and then swaps the two.
# Without room for both the old data goes first, and the log says so: tablespaces have
# the same paths on all pods.
copy_beside() {
  local tablespaces why=''
  tablespaces=$(primary_has_tablespaces)
  if [ -z "$tablespaces" ]; then
    back_off
    return 0
  elif [ "$tablespaces" = t ]; then
    why="pod $V_PRIMARY has tablespaces, whose copies go where this pod's own ones are"
  elif ! room_beside; then
    why="there is no room for a copy beside the old data"
  fi
  if [ -n "$why" ]; then
    say "$why: removing the old data first"
    sentinel_set "$CLONE_SENTINEL" || die "cannot write to $VOLUME"
    return 0
  fi
  { remove_tree "$BESIDE" && as_postgres mkdir -m 0700 "$BESIDE"; } || die "cannot write to $VOLUME"
  if ! base_backup "$BESIDE"; then
    back_off
    return 0
  fi
  { install_file "$BESIDE/standby.signal" 0600 </dev/null && stamp_restored && forget_restores && sync_tree "$BESIDE" && sentinel_set "$BESIDE_COMPLETE"; } ||
    die "cannot finish the copy in $BESIDE"
  finish_swap
  CLONE_PAUSE=1 RECLONE='' REJOINED=1
  say "copied pod $V_PRIMARY"
}

# primary_has_tablespaces: besides those in its data directory: t, f, or nothing where it
# does not answer.
primary_has_tablespaces() {
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<<"SELECT count(*) > 0 FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''"
}

# room_beside: whether the volume has space for the primary's data, and a tenth
# more for what is written meanwhile.
room_beside() {
  local need have
  need=$(remote_sql "$(pod_host "$V_PRIMARY")" <<<'SELECT ceil(sum(pg_database_size(oid)) * 1.1 / 1024) FROM pg_database' 2>/dev/null)
  [ -n "$need" ] || need=$(as_postgres du -sk "$PGDATA" | sed 's/[^0-9].*//')
  have=$(free_in_volume)
  [ -n "$need" ] && [ "$need" -lt "${have:-0}" ]
}

# finish_swap: puts a complete copy in the data directory's place, from wherever
# an earlier attempt was interrupted, and removes an incomplete one.
finish_swap() {
  if [ -e "$BESIDE_COMPLETE" ]; then
    if [ -d "$BESIDE" ]; then
      # Into a directory that is still there, `mv` would move the copy.
      { remove_tree "$REPLACED" && { [ ! -d "$PGDATA" ] || as_postgres mv "$PGDATA" "$REPLACED"; } &&
        as_postgres mv "$BESIDE" "$PGDATA" && sync "$VOLUME"; } || die "cannot put the copy into $PGDATA"
    fi
    as_postgres rm -f "$BESIDE_COMPLETE"
    sync "$VOLUME"
  fi
  remove_tree "$BESIDE" "$REPLACED"
}
