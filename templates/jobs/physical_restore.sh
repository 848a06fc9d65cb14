# --- One physical restore ----------------------------------------------------
# Checks the backup and hands it to the pods with the record: from then on they do
# it, whatever becomes of this container.

CLUSTER='' CONTAINER='' CLUSTER_ID='' NAME='' TAR='' SOURCE='' CHECKSUM='' REQUEST='' PRIMARY='' STARTED=''
for argument; do
  value=${argument#*=}
  case $argument in
    cluster=*) CLUSTER=$value ;;
    container=*) CONTAINER=$value ;;
    cluster_id=*) CLUSTER_ID=$value ;;
    name=*) NAME=$value ;;
    tar=*) TAR=$value ;;
    source=*) SOURCE=$value ;;
    checksum=*) CHECKSUM=$value ;;
    request=*) REQUEST=$value ;;
    primary=*) PRIMARY=$value ;;
    *) fail "unknown argument $argument" ;;
  esac
done

# refuse SENTENCE: the pods have not been asked for anything yet.
refuse() { fail "$*; nothing was stopped"; }

# were_asked: the record has the maintenance that the request of this restore is for. It may
# have it even where the command that wrote both did not come to its end.
were_asked() {
  local epoch
  epoch=$(sed -n 's/^epoch=//p' "$BACKUPS/.topology" 2>/dev/null)
  [ -n "$epoch" ] && grep -qx 'state=maintenance' "$BACKUPS/.topology" &&
    is_file "$BACKUPS/.restore" && grep -qx "epoch=$epoch" "$BACKUPS/.restore" && grep -qx "tar=$TAR" "$BACKUPS/.restore"
}

on_cancel() {
  hold_signals
  if [ -n "$STARTED" ] || were_asked; then
    say "stopped watching after $(elapsed)s: the pods have the backup and go on"
    UNFINISHED=()
  else
    say "cancelled after $(elapsed)s; nothing was stopped"
  fi
  leave 143
}
trap on_cancel INT TERM

check_major() {
  local image
  image=$(postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
  [ "$MAJOR" = "$image" ] ||
    refuse "$NAME is of postgres $MAJOR and the cluster is postgres $image: a physical backup cannot be moved to another version, a dump can (vd pg:backups:restore)"
}

# check_sum: against the one that lies beside the backup.
check_sum() {
  local expected
  expected=$(head -c 64 "$CHECKSUM" | tr -dc 0-9a-f)
  sum "$NAME"
  [ "$SUM" = "$expected" ] || refuse "$NAME is damaged: its sha256 is $SUM and should be ${expected:-another}"
}

# place: where the pods see it. Without a link it takes a copy.
place() {
  local free size
  [ -n "$SOURCE" ] || return 0
  size=$(stat -Lc %s "$INPUT")
  free=$(df -Pk "$BACKUPS" | awk 'END { printf "%.0f", $4 * 1024 }')
  [ "$free" -gt "$size" ] ||
    refuse "the backups directory has $(human "$free") free, and the pods need the backup of $(human "$size") there; put the file on the same disk"
  say "copying $NAME to where the pods see it"
  start copy
  watch "copying"
  [ "$CODE" = 0 ] || refuse "$NAME could not be copied into the backups directory"
}

copy() {
  set -o noclobber
  cat <"$INPUT" >"$BACKUPS/$TAR" && sync "$BACKUPS/$TAR"
}

# await_pods: the record is steady again when they are done with it.
await_pods() {
  local next=$(($(elapsed) + 10)) text
  until text=$(cat "$BACKUPS/.topology" 2>/dev/null) && [[ $text == *"state=steady"* ]] && [[ $text != *"epoch=$EPOCH"$'\n'* ]]; do
    ! failed_for_good || give_up "there are no data to go back to, so postgres stays stopped: restore another backup, or go on with the data of a standby (vd pg:promote $CLUSTER --replica <ordinal> --force)"
    pause 0.2
    if [ "$(elapsed)" -ge "$next" ]; then
      say "[$(elapsed)s] pod $PRIMARY replaces its data (docker logs ${CLUSTER/\//-}.$PRIMARY)"
      next=$(($(elapsed) + 10))
    fi
  done
}

# give_up WHAT_NOW: with the pod's own reason.
give_up() {
  local reason="the restore failed, and its reason could not be left in the backups directory: docker logs ${CLUSTER/\//-}.$PRIMARY"
  if failed; then
    reason=$(tail -n +2 "$BACKUPS/.restore-failed" | head -n 1)
    rm -f "$BACKUPS/.restore-failed"
  fi
  fail "$reason; $1"
}

failed() { is_file "$BACKUPS/.restore-failed" && [ "$(head -n 1 "$BACKUPS/.restore-failed")" = "epoch=$EPOCH" ]; }

# failed_for_good: the pods gave up, and the request is gone while they stay stopped.
failed_for_good() {
  is_absent "$BACKUPS/.restore" && grep -qx 'state=maintenance' "$BACKUPS/.topology" && grep -qx "epoch=$EPOCH" "$BACKUPS/.topology"
}

# counts: the pods leave the epoch of the maintenance when the restored data are in force.
counts() { is_file "$BACKUPS/.restored" && grep -qx "epoch=$EPOCH" "$BACKUPS/.restored"; }

restore() {
  UNFINISHED+=("$BACKUPS/$TAR" "$BACKUPS/$REQUEST")
  say "restore: $NAME → cluster $CLUSTER, pod $PRIMARY first (container $CONTAINER)"
  is_file "${SOURCE:-$BACKUPS/$TAR}" || refuse "$NAME is not there, or no plain file"
  exec 3<"${SOURCE:-$BACKUPS/$TAR}" || refuse "$NAME cannot be opened"
  INPUT=/proc/$$/fd/3
  check_tar "$NAME"
  check_major
  [ -z "$CHECKSUM" ] || check_sum
  say "verified: $NAME, $(human "$(stat -Lc %s "$INPUT")"), postgres $MAJOR"
  place
  if ! EPOCH=$("$PLUGIN" job begin-restore --backups "$BACKUPS" --cluster-id "$CLUSTER_ID" --request "$REQUEST" \
    --tar "$TAR" --bytes "$(stat -Lc %s "$INPUT")" --checked "$CHECKED"); then
    were_asked || refuse "$EPOCH"
    EPOCH=$(sed -n 's/^epoch=//p' "$BACKUPS/.topology")
  fi
  STARTED=1
  say "stopping postgres on every pod (record: maintenance, epoch $EPOCH)"
  await_pods
  UNFINISHED=()
  if failed; then
    give_up "the cluster goes on with the data that it had"
  fi
  counts || fail "the restore was taken back or failed (docker logs ${CLUSTER/\//-}.$PRIMARY); the cluster goes on with the data that it had"
  say "postgres $CLUSTER: $NAME restored ($(elapsed)s); the standbys copy the primary now: vd pg:info $CLUSTER"
}

restore
