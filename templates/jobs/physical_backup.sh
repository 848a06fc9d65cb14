# --- One physical backup -----------------------------------------------------

CLUSTER='' CONTAINER='' SOURCE='' USERNAME='' PORT='' NAME='' DESTINATION='' PASSWORD_FILE=''
for argument; do
  value=${argument#*=}
  case $argument in
    cluster=*) CLUSTER=$value ;;
    container=*) CONTAINER=$value ;;
    source=*) SOURCE=$value ;;
    user=*) USERNAME=$value ;;
    port=*) PORT=$value ;;
    name=*) NAME=$value ;;
    destination=*) DESTINATION=$value ;;
    password_file=*) PASSWORD_FILE=$value ;;
    *) fail "unknown argument $argument" ;;
  esac
done

TARGET=/destination/$NAME

refuse() { fail "$*; $DESTINATION was not written"; }

ask() { psql -XAtqw -v ON_ERROR_STOP=1 "host=127.0.0.1 $LOGIN dbname=postgres" -c "$1" 2>"$PROBLEMS"; }

# check_source: what it takes, and whether all of it can be in one tar.
check_source() {
  local answer free
  answer=$(ask "SELECT sum(pg_database_size(oid))::bigint, (SELECT count(*) FROM pg_tablespace WHERE spcname NOT LIKE 'pg\_%') FROM pg_database") ||
    refuse "pod $SOURCE cannot be asked: $(tail -n 1 "$PROBLEMS")"
  RAW=${answer%|*}
  [ "${answer#*|}" = 0 ] || refuse "the server has tablespaces outside the data directory; use vd pg:backups:capture"
  # The parts, and the tar of them, until the parts are gone.
  NEED=$((2 * (RAW + 64 * 1024 * 1024)))
  free=$(df -Pk /destination | awk 'END { printf "%.0f", $4 * 1024 }')
  [ "$free" -ge "$NEED" ] ||
    refuse "it takes $(human "$NEED") for a while, and $(human "$free") are free there"
}

copy() {
  PARTS=$(mktemp -d "/destination/.$NAME.voodu.XXXXXX") || refuse "there is nothing to be written beside it"
  UNFINISHED+=("$PARTS")
  say "backup: pg_basebackup → $DESTINATION (user=$USERNAME; raw size $(human "$RAW"), container $CONTAINER)"
  start pg_basebackup -D "$PARTS/parts" -F t -X stream -c fast --no-password --manifest-checksums=SHA256 \
    -d "host=127.0.0.1 $LOGIN" 2>"$PROBLEMS"
  watch "copying"
  show "$PROBLEMS"
  [ "$CODE" = 0 ] || refuse "pg_basebackup did not succeed"
  start tar -C "$PARTS/parts" -cf "$PARTS/tar" base.tar pg_wal.tar backup_manifest
  watch "packing"
  [ "$CODE" = 0 ] || refuse "it could not be packed"
  rm -rf "$PARTS/parts"
}

# publish: after it was read back, and only under a name that nobody has.
publish() {
  INPUT=$PARTS/tar
  check_tar "$DESTINATION"
  [ "$CHECKED" = yes ] || refuse "what was written has no manifest"
  sum "$DESTINATION"
  printf '%s  %s\n' "$SUM" "$NAME" >"$PARTS/sha256"
  sync "$PARTS/tar" "$PARTS/sha256" || refuse "it could not be written to disk"
  # A link, unlike a rename, replaces nothing.
  ln "$PARTS/tar" "$TARGET" || refuse "$DESTINATION is there by now"
  { mv -fT "$PARTS/sha256" "$TARGET.sha256" && sync /destination; } || fail "$DESTINATION or its checksum could not be written to disk: do not rely on it"
}

backup() {
  LOGIN="port=$PORT user=$USERNAME connect_timeout=10 application_name=voodu-postgres-physical"
  [ -z "$PASSWORD_FILE" ] || take_password "$BACKUPS/$PASSWORD_FILE"
  is_absent "$TARGET" || refuse "$DESTINATION is there already, and is not overwritten"
  # What a killed one left.
  rm -rf "/destination/.$NAME.voodu."??????
  check_source
  copy
  publish
  say "postgres $CLUSTER: physical backup written to $DESTINATION ($(human "$(size_of "$TARGET")"), postgres $MAJOR, source: ordinal $SOURCE, elapsed $(elapsed)s)"
  rm -rf "$PARTS"
}

backup
