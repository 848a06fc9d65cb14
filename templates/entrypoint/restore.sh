# --- A physical backup replaces the data -------------------------------------
# A request lies in the backups directory beside the backup itself, and counts
# only during the maintenance that its epoch names. The recorded primary unpacks
# the backup beside its data, starts it on its own, and only then ends the
# maintenance; the other pods copy it. Until then the old data can come back.

REQUEST=$BACKUPS/.restore
RESTORE_FAILED=$BACKUPS/.restore-failed
# The last restore, shared, and the one that this volume's data come from.
RESTORED=$BACKUPS/.restored
RESTORED_HERE=$VOLUME/.voodu-restored

UNPACKED=$VOLUME/.voodu-unpacked
# The old data, as long as the mark is there and its restore does not count; afterwards
# what nobody needs any more.
BEFORE_RESTORE=$VOLUME/.voodu-before-restore
# While it is there the data directory holds, or is to hold, what was unpacked. It has the
# epoch of the maintenance.
UNPACKED_COMPLETE=$VOLUME/.voodu-unpacked-complete

# request_load: reads a request for the maintenance in view into Q_*.
request_load() {
  local line
  Q_CLUSTER='' Q_EPOCH='' Q_TAR='' Q_BYTES='' Q_USER='' Q_REPLICATION='' Q_CHECKED=''
  read_file "$REQUEST" || return 1
  while IFS= read -r line; do
    request_field "${line%%=*}" "${line#*=}" || return 1
  done <<<"${TEXT%$'\n'}"
  [ "$Q_CLUSTER" = "$V_CLUSTER" ] && [ "$Q_EPOCH" = "$V_EPOCH" ] && [ -n "$Q_TAR" ] && [ -n "$Q_BYTES" ]
}

request_field() {
  local verifier='^(SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|md5[0-9a-f]{32})$'
  case $1 in
    cluster) Q_CLUSTER=$2 ;;
    epoch) Q_EPOCH=$2 ;;
    tar) [[ $2 =~ ^\.restore-r[0-9]+\.tar$ ]] && Q_TAR=$BACKUPS/$2 ;;
    bytes) [[ $2 =~ ^[0-9]{1,18}$ ]] && Q_BYTES=$2 ;;
    checked) Q_CHECKED=$2 ;;
    user) [[ $2 =~ $verifier ]] && Q_USER=$2 ;;
    replication) [[ $2 =~ $verifier ]] && Q_REPLICATION=$2 ;;
    *) return 1 ;;
  esac
}

# restore_is_wanted: of this pod, in the maintenance in view.
restore_is_wanted() { [ "$V_PRIMARY" = "$ORDINAL" ] && [ "$RESTORE_GIVEN_UP" != "$V_EPOCH" ] && request_load; }

# restore_data: from wherever an earlier attempt was interrupted.
restore_data() {
  if [ "$(unpacked_for)" != "$V_EPOCH" ]; then
    remove_data "$BEFORE_RESTORE" || die "cannot remove $BEFORE_RESTORE"
    unpack || return 0
  fi
  # Until here the request can be taken back.
  ! record_changed || return 0
  swap_in || die "cannot put the backup into $PGDATA"
  start_restored || return 0
  until finish_restore; do
    retry "could not finish the restore in $BACKUPS or $VOLUME"
    ! record_changed || return 0
  done
}

# unpack: beside the old data. Without room for both the old data go first, and
# the log says so.
unpack() {
  local need free used
  if [ "$(stat -c %s "$Q_TAR" 2>/dev/null)" != "$Q_BYTES" ]; then
    give_up "the backup $Q_TAR is not there any more, or not whole"
    return 1
  fi
  { remove_tree "$UNPACKED" && as_postgres rm -f "$UNPACKED_COMPLETE" && as_postgres mkdir -m 0700 "$UNPACKED"; } ||
    die "cannot write to $VOLUME"
  # In kB, with a little for what the server writes when it starts.
  need=$((Q_BYTES / 1024 + 65536))
  free=$(free_in_volume)
  if [ "$need" -ge "${free:-0}" ]; then
    free=${free:-0}
    while read -r used _; do free=$((free + used)); done < <(as_postgres du -sk "$PGDATA" "$BEFORE_RESTORE" 2>/dev/null)
    if [ "$need" -ge "$free" ]; then
      give_up "the volume of pod $ORDINAL has no room for the backup, not even without the old data"
      return 1
    fi
    # From here on there is no way back. The plugin looks for the mark under the same lock.
    record_locked record_decided_on sentinel_set "$CLONE_SENTINEL" || return 1
    say "there is no room for the backup beside the old data: removing the old data first"
    { data_wipe && remove_data "$BEFORE_RESTORE"; } || die "cannot empty $PGDATA"
  fi
  say "unpacking $Q_TAR"
  unpack_parts || return 1
  if [ "$Q_CHECKED" != yes ] && [ -e "$UNPACKED/backup_manifest" ]; then
    setsid "${DROP[@]}" pg_verifybackup -q -n "$UNPACKED" >/dev/null &
    if ! await_helper $! "checking the backup"; then
      give_up "the backup is damaged: it does not agree with its manifest"
      return 1
    fi
  fi
  {
    as_postgres rm -f "$UNPACKED/standby.signal" "$UNPACKED/backup_manifest" && sync_tree "$UNPACKED" &&
      printf '%s\n' "$V_EPOCH" | install_file "$UNPACKED_COMPLETE" 0600
  } || die "cannot finish unpacking in $UNPACKED"
}

# unpack_parts: the parts are a tar each. Root opens the file, because it may be
# readable by nobody else; what is opened must be the very file of that name.
unpack_parts() {
  local part into tar
  for part in base.tar:. pg_wal.tar:pg_wal backup_manifest:; do
    into=${part#*:} part=${part%%:*}
    # Opened for both directions, a pipe does not wait for its other end.
    if ! { [ -f "$Q_TAR" ] && exec {tar}<>"$Q_TAR"; } 2>/dev/null; then
      give_up "the backup $Q_TAR is not there any more"
      return 1
    fi
    if [ "$(readlink "/proc/self/fd/$tar")" != "$Q_TAR" ] || [ ! -f "/proc/self/fd/$tar" ]; then
      give_up "$Q_TAR is not a plain file"
      return 1
    fi
    # shellcheck disable=SC2016 # The inner shell expands it.
    setsid "${DROP[@]}" bash -c 'set -o pipefail
      if [ -n "$2" ]; then
        tar -xOf - "$1" | tar -xf - -C "$3/$2"
      else
        tar -xOf - "$1" >"$3/$1" 2>/dev/null || rm -f "$3/$1"
      fi' bash "$part" "$into" "$UNPACKED" <&"$tar" &
    exec {tar}<&-
    if ! await_helper $! "unpacking $part"; then
      record_changed || give_up "the backup could not be unpacked, the log of pod $ORDINAL says why"
      return 1
    fi
  done
}

# swap_in: the old data are kept, once: what is in their place on a second attempt
# is a backup that was never in service. Where they went first, what is in their place
# now is no half copy any more.
swap_in() {
  if [ -d "$UNPACKED" ]; then
    if [ -d "$BEFORE_RESTORE" ] || [ -e "$CLONE_SENTINEL" ]; then
      remove_data "$PGDATA"
    elif [ -d "$PGDATA" ]; then
      as_postgres mv "$PGDATA" "$BEFORE_RESTORE"
    fi
    # Into a directory that is still there, `mv` would move what was unpacked.
    { [ ! -e "$PGDATA" ] && as_postgres mv "$UNPACKED" "$PGDATA" && sync "$VOLUME"; } || return
  fi
  [ ! -e "$CLONE_SENTINEL" ] || sentinel_clear "$CLONE_SENTINEL"
}

# remove_data DIRECTORY: with its tablespaces in this volume.
remove_data() {
  local link target
  [ -d "$1" ] && [ ! -L "$1" ] || return 0
  for link in "$1"/pg_tblspc/*; do
    target=$(readlink "$link") && wipe_tablespace "$target"
  done
  remove_tree "$1"
}

# start_restored: brings the data up where nobody can reach them, to the end of
# the backup's WAL and on a timeline of their own, so that no standby can take
# what it had for a part of it. The roles get the passwords of today.
start_restored() {
  local timeline
  check_major
  timeline=$(newest_timeline)
  [ "${V_TIMELINE:-0}" -le "$timeline" ] || timeline=$V_TIMELINE
  {
    as_postgres rm -f "$PGDATA/postmaster.pid" "$PGDATA/standby.signal" && place_histories "$((timeline + 1))" &&
      install_file "$PGDATA/recovery.signal" 0600 </dev/null && wire_settings && write_runtime_conf
  } || die "cannot write in $PGDATA"
  check_settings
  say "starting the restored data, unreachable from outside"
  "${DROP[@]}" postgres -D "$PGDATA" -p "$PORT" -c listen_addresses= -c hot_standby=off -c restore_command=false \
    -c recovery_target_timeline=current \
    -c archive_mode=off -c password_encryption=scram-sha-256 "${CONF_ARGS[@]}" &
  CHILD=$!
  until server_ready; do
    tick
    if ! child_runs; then
      child_ended
      [ -z "$STOPPING" ] || exit 143
      give_up "the restored data did not start: postgres exited $CODE, the log of pod $ORDINAL says why"
      return 1
    fi
  done
  try_set_passwords
  case $? in
    0) stop_server ;;
    1)
      stop_server
      [ -z "$STOPPING" ] || exit 143
      give_up "nobody can set the passwords in the restored data as $SUPERUSER: $REFUSED (a backup of a cluster with another user or another pg_hba.conf lets nobody in)"
      return 1
      ;;
    *)
      stop_server
      [ -z "$STOPPING" ] || exit 143
      return 1
      ;;
  esac
}

# try_set_passwords: a server that is slow, or not ready yet, is asked again for as long as
# it runs and the restore is wanted; then this returns 2. Returns 1 when it refuses, with
# its words in REFUSED.
try_set_passwords() {
  local answer
  until answer=$(set_passwords 2>&1); do
    [ -z "$STOPPING" ] || return 2
    REFUSED=$(refusal_in "$answer")
    say "could not set the passwords: $REFUSED"
    ! is_refused "$answer" || return 1
    pause 2
    child_runs && ! record_changed || return 2
  done
}

# refusal_in ANSWER: the server's own words, and nothing of the statement.
refusal_in() { grep -m 1 -oE '(FATAL|ERROR):.*' <<<"$1" || printf 'no answer'; }

# is_refused ANSWER: the server said no, and will say so again.
is_refused() {
  case $1 in
    *FATAL:*'starting up'* | *FATAL:*'recovery'* | *FATAL:*'too many'* | *FATAL:*'remaining connection slots'*) return 1 ;;
    *FATAL:* | *ERROR:*) return 0 ;;
    *) return 1 ;;
  esac
}

# set_passwords: the backup's may be older than what the applications, the other
# pods and the config have.
set_passwords() {
  kept_verifiers
  local user=$Q_USER replication=$Q_REPLICATION
  [ -n "$user" ] || user=${POSTGRES_PASSWORD:-}
  [ -n "$replication" ] || { replication=$(stored_password) && [ -n "$replication" ] || replication=$ENV_REPLICATION_PASSWORD; }
  local_sql <<SQL
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET standard_conforming_strings = on;
SELECT count(*) = 0 AS role_is_missing FROM pg_roles WHERE rolname = '$REPLICATION_USER' \gset
\if :role_is_missing
CREATE ROLE "$REPLICATION_USER" WITH LOGIN REPLICATION;
\endif
ALTER ROLE "$REPLICATION_USER" PASSWORD '${replication//\'/\'\'}';
ALTER ROLE "$SUPERUSER" PASSWORD '${user//\'/\'\'}';
SQL
}

# finish_restore: from here on the restored data are the cluster's.
finish_restore() {
  record_next state=steady clean= rejoin= "timeline=${V_TIMELINE:+$(own_timeline)}"
  record_replace restore_counts record_render || return 1
  say "restored the data (epoch $V_EPOCH)"
  forget_request
  as_postgres rm -f "$RESTORE_FAILED" "$UNPACKED_COMPLETE" "$VERIFIERS"
}

# restore_counts LOADED: the request was not taken back. From here on the standbys' data are
# older than the restore.
restore_counts() {
  record_decided_on "$1" &&
    printf 'cluster=%s\nepoch=%s\n' "$V_CLUSTER" "$V_EPOCH" | install_file "$RESTORED" 0644 && sync "$BACKUPS" && stamp_restored
}

# unpacked_for: the epoch of the maintenance for which something was unpacked, or nothing.
unpacked_for() {
  local mark=$'^[1-9][0-9]{0,17}\n$'
  ! { read_file "$UNPACKED_COMPLETE" && [[ $TEXT =~ $mark ]]; } || printf '%s' "${TEXT%$'\n'}"
}

# restore_counted EPOCH: this volume's data come from the restore of that maintenance, and
# that was not taken back.
restore_counted() {
  { read_file "$RESTORED_HERE" && [[ $TEXT == *$'\n'"epoch=$1"$'\n'* ]]; } || return 1
  ! { read_file "$RESTORED" && [[ $TEXT == *$'\n'"withdrawn=$1"$'\n'* ]]; }
}

# withdraw_restore: nobody's data come from the restore of the maintenance in view.
withdraw_restore() {
  ! { read_file "$RESTORED" && [[ $TEXT == *$'\n'"epoch=$V_EPOCH"$'\n'* ]]; } ||
    { printf 'cluster=%s\nwithdrawn=%s\n' "$V_CLUSTER" "$V_EPOCH" | install_file "$RESTORED" 0644 && sync "$BACKUPS"; }
}

# undo_restore: a maintenance ended before the restored data counted, because the request
# was taken back: the old data return.
undo_restore() {
  local epoch
  epoch=$(unpacked_for)
  [ -n "$epoch" ] && ! restore_counted "$epoch" || return 0
  # A record that was lost in the maintenance may have got the same epoch again.
  [ "$V_EPOCH" -gt "$epoch" ] || { [ "$V_EPOCH" = "$epoch" ] && [ "$V_STATE" != maintenance ]; } || return 0
  say "the restore was taken back: what was there before it returns"
  undo_swap || die "cannot put the old data back into $PGDATA"
  data_shape
}

# undo_swap: swap_in backwards, from wherever an earlier attempt was interrupted. Where there
# was nothing before, nothing is left in place, and what was unpacked stays beside it until
# another restore or a copy succeeds. The mark goes before what was unpacked does: without
# either, data in their place would pass for restored ones.
undo_swap() {
  if [ -d "$BEFORE_RESTORE" ]; then
    if [ ! -d "$UNPACKED" ] && [ -d "$PGDATA" ]; then
      as_postgres mv "$PGDATA" "$UNPACKED" || return
    fi
    remove_data "$PGDATA" && as_postgres mv "$BEFORE_RESTORE" "$PGDATA" && sync "$VOLUME" || return
  elif [ ! -d "$UNPACKED" ] && [ -d "$PGDATA" ]; then
    as_postgres mv "$PGDATA" "$UNPACKED" || return
  fi
  sync "$VOLUME" && as_postgres rm -f "$UNPACKED_COMPLETE" && sync "$VOLUME" || return
  [ ! -d "$PGDATA" ] || remove_data "$UNPACKED"
}

# give_up REASON: puts the old data back, if they are there, and says so where the
# restore waits for it.
give_up() {
  say "the restore failed: $1"
  RESTORE_GIVEN_UP=$V_EPOCH
  withdraw_restore || die "cannot write in $BACKUPS"
  if [ -e "$UNPACKED_COMPLETE" ]; then
    undo_swap || die "cannot put the old data back into $PGDATA"
  elif [ -d "$PGDATA" ]; then
    # Without data in their place, it may be what an earlier attempt kept.
    remove_tree "$UNPACKED"
  fi
  data_shape
  # It may be what fills the disk on which the reason is to be left.
  as_postgres rm -f "$Q_TAR"
  printf 'epoch=%s\n%s\n' "$V_EPOCH" "$1" | install_file "$RESTORE_FAILED" 0644
  if [ "$SHAPE" = primary ] || [ "$SHAPE" = standby ]; then
    say "the old data are back in place"
    until record_change state=steady || record_changed; do retry "could not write the record"; done
  else
    say "there are no data to go back to: postgres stays stopped until a restore succeeds, or a standby is promoted (vd postgres:promote $CLUSTER_REF --replica <ordinal> --force)"
    [ ! -d "$UNPACKED" ] || say "what was unpacked is kept in $UNPACKED until then"
  fi
  forget_request
}

# forget_request: what this maintenance was asked for is over. Another restore may have left
# its own request by now, under the record's lock as well.
forget_request() {
  record_locked request_load as_postgres rm -f "$REQUEST"
  as_postgres rm -f "$Q_TAR"
}

# tidy_after_restore: the restored data are in service.
tidy_after_restore() {
  local epoch
  epoch=$(unpacked_for)
  [ -z "$epoch" ] || restore_counted "$epoch" || return 0
  [ ! -e "$UNPACKED_COMPLETE" ] || as_postgres rm -f "$UNPACKED_COMPLETE"
  [ ! -d "$UNPACKED" ] || remove_tree "$UNPACKED"
  if [ -d "$BEFORE_RESTORE" ]; then
    say "removing the data from before the restore"
    remove_data "$BEFORE_RESTORE"
  fi
}

# forget_restores: other data take the place of what a restore left here.
forget_restores() {
  as_postgres rm -f "$UNPACKED_COMPLETE" && sync "$VOLUME" && remove_data "$UNPACKED" && remove_data "$BEFORE_RESTORE"
}

# stamp_restored: from now on this volume's data come from the last restore.
stamp_restored() {
  { read_file "$RESTORED" && [[ $TEXT == *$'\n'epoch=* ]]; } || return 0
  printf '%s' "$TEXT" | install_file "$RESTORED_HERE" 0644
}

# is_before_restore: this standby's data come from before the last restore, so
# they are no part of the primary's history, even where they look like one.
is_before_restore() {
  local shared form=$'^cluster=[0-9a-f]{32}\nepoch=[1-9][0-9]{0,17}\n$'
  read_file "$RESTORED" && [[ $TEXT =~ $form ]] || return 1
  shared=$TEXT
  read_file "$RESTORED_HERE"
  [ "$TEXT" != "$shared" ] && [[ $shared == "cluster=$V_CLUSTER"* ]]
}
