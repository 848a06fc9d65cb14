# --- One backup -------------------------------------------------------------

CLUSTER='' ID='' FILE='' CONTAINER='' SOURCE='' USERNAME='' DATABASE='' PORT='' COMPRESS=''
RAW=0 ESTIMATE=0 PASSWORD_FILE='' PRIMARY='' RETENTION=''
VERIFY=() EXPIRED=()

for argument; do
  value=${argument#*=}
  case $argument in
    cluster=*) CLUSTER=$value ;;
    id=*) ID=$value ;;
    file=*) FILE=$value ;;
    container=*) CONTAINER=$value ;;
    source=*) SOURCE=$value ;;
    user=*) USERNAME=$value ;;
    database=*) DATABASE=$value ;;
    port=*) PORT=$value ;;
    compress=*) COMPRESS=$value ;;
    raw=*) RAW=$value ;;
    estimate=*) ESTIMATE=$value ;;
    password_file=*) PASSWORD_FILE=$value ;;
    primary=*) PRIMARY=$value ;;
    retention=*) RETENTION=$value ;;
    verify=*) VERIFY+=("$value") ;;
    expired=*) EXPIRED+=("$value") ;;
    *) fail "unknown argument $argument" ;;
  esac
done

ANSWER=/tmp/answer
PARTIAL=$BACKUPS/$FILE.partial

# report: how much has been written, ever more seldom.
report() {
  local seconds
  for seconds in 3 7 15 20; do
    pause "$seconds"
    progress
  done
  while :; do
    pause 30
    progress
  done
}

progress() {
  local written percent hint
  written=$(size_of "$PARTIAL")
  hint=''
  if [ "$ESTIMATE" -gt 0 ]; then
    percent=$((written * 100 / ESTIMATE))
    [ "$percent" -gt 200 ] || hint=" (~$percent% of estimate)"
  fi
  say "[$(elapsed)s] $(human "$written") written$hint"
}

# hold_primary: replay on a standby cancels a dump that is in its way: when the
# primary has removed rows that the dump still sees, or locked a table that it
# reads. So an idle transaction on the primary keeps for the dump what a dump over
# there would keep, a snapshot and a share lock on each table, and ends with
# this container however that ends. The dump begins when the standby's oldest
# transaction is not older than that snapshot.
hold_primary() {
  local held oldest psql=(psql -XAtqw -v ON_ERROR_STOP=1) deadline=$(($(elapsed) + 30))
  exec {held}> >(exec "${psql[@]}" "host=$PRIMARY $LOGIN" >"$ANSWER")
  HELPERS+=("$!")
  cat >&"$held" <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
DO $$
DECLARE found record;
BEGIN
  FOR found IN
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind, c.relispopulated
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
  LOOP
    BEGIN
      IF found.relkind <> 'm' THEN
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', found.name);
      ELSIF found.relispopulated THEN
        -- LOCK TABLE takes no materialized view, a query locks it.
        EXECUTE format('SELECT FROM %s LIMIT 0', found.name);
      END IF;
    EXCEPTION WHEN undefined_table THEN
      -- Dropped meanwhile.
      NULL;
    END;
  END LOOP;
END $$;
SELECT pg_snapshot_xmin(pg_current_snapshot());
SQL
  until read -r oldest <"$ANSWER"; do
    if ! kill -0 "$!" 2>/dev/null || [ "$(elapsed)" -ge "$deadline" ]; then
      not_held "it gives no answer"
      return
    fi
    pause 0.1
  done 2>/dev/null
  until [ "$("${psql[@]}" "host=127.0.0.1 $LOGIN" -c "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= '$oldest'")" = t ]; do
    if [ "$(elapsed)" -ge "$deadline" ]; then
      not_held "pod $SOURCE is more than 30s behind"
      return
    fi
    pause 0.2
  done
}

not_held() {
  say "warning: the primary was not made to keep what this dump reads ($*): it is cancelled if replay on pod $SOURCE gets in its way"
}

# dump: to a file that was not there before, so that nothing planted under its
# name is written to. pg_dump opens what it finds open already: through standard
# output it would not go back and note where each table begins, and what it adds
# at the end instead can be cut off without anybody noticing.
dump() {
  local out encoding
  is_absent "$PARTIAL" || fail "$PARTIAL is already there"
  set -o noclobber
  { exec {out}>"$PARTIAL"; } 2>/dev/null || fail "cannot create $PARTIAL"
  set +o noclobber
  [ -f "/proc/self/fd/$out" ] || fail "$PARTIAL is not a file"
  UNFINISHED+=("$PARTIAL")
  share "$PARTIAL" || say "warning: $FILE stays unreadable for the group of the backups directory"

  # In the database's own, so that nothing has to be converted.
  encoding=$(psql -XAtqw "host=127.0.0.1 $LOGIN" -c 'SHOW server_encoding' 2>/dev/null)
  report &
  HELPERS+=("$!")
  start pg_dump "--dbname=host=127.0.0.1 $LOGIN" --no-password ${encoding:+--encoding="$encoding"} -F c -Z "$COMPRESS" -f "/dev/fd/$out" 2>"$PROBLEMS"
  finish || dump_failed "$?"
  dismiss
  show "$PROBLEMS"
  exec {out}>&-
  start sync "$PARTIAL"
  finish || fail "$FILE could not be written to the disk"
}

dump_failed() {
  dismiss
  show "$PROBLEMS"
  case $(<"$PROBLEMS") in
    *"conflict with recovery"*)
      fail "replay on pod $SOURCE had to go on over what the dump was reading; capture from the primary, or raise max_standby_streaming_delay"
      ;;
    *"No space left on device"* | *"Disk quota exceeded"*)
      fail "the disk of the backups directory is full; what was written has been removed"
      ;;
  esac
  [ "$1" -lt 128 ] || fail "pg_dump was killed"
  fail "pg_dump did not succeed"
}

# read_back FILE: reads all of it as a restore would, and leaves its checksum in
# HASH. A list of contents alone would accept a file that was cut off.
read_back() {
  start_reading "$1" "${DROP[@]}" pg_restore -f /dev/null 2>"$PROBLEMS"
  start sha256sum "$1" >/tmp/sum
  # What cannot be read needs no checksum, however long it would take.
  wait "${CHILDREN[0]}" || kill -TERM "${CHILDREN[1]}" 2>/dev/null
  finish || return 1
  read -r HASH _ </tmp/sum
  [[ $HASH =~ ^[0-9a-f]{64}$ ]]
}

# write_checksum FILE: whole or not at all, and in the form of sha256sum.
write_checksum() {
  local checksum=$BACKUPS/$1.sha256 new=$BACKUPS/$1.sha256.partial
  rm -f -- "$new"
  UNFINISHED+=("$new")
  (set -o noclobber && printf '%s  %s\n' "$HASH" "$1" >"$new") || return 1
  share "$new" 2>/dev/null
  sync "$new" && mv -fT "$new" "$checksum" 2>/dev/null
}

# publish: only a file that has its checksum gets the name of a complete one.
publish() {
  write_checksum "$FILE" || fail "the checksum of $FILE could not be written"
  mv -fT "$PARTIAL" "$BACKUPS/$FILE" || fail "$FILE could not be given its name"
  UNFINISHED=()
  sync "$BACKUPS" || fail "the name of $FILE could not be written to disk: see what is wrong with the disk of $BACKUPS"
}

# verify_others: dumps of the older plugin, or copied here, have no checksum.
verify_others() {
  local name
  for name in ${VERIFY[@]+"${VERIFY[@]}"}; do
    is_file "$BACKUPS/$name" || continue
    if ! read_back "$BACKUPS/$name"; then
      say "warning: $name had no checksum, and cannot be read back whole: it is no backup to rely on"
    elif write_checksum "$name" || is_file "$BACKUPS/$name.sha256"; then
      say "$name had no checksum: it was read back whole and counts as verified from now on"
    else
      say "warning: $name was read back whole, but its checksum could not be written; the next capture tries again"
    fi
    UNFINISHED=()
  done
}

# prune: what was over the limits when the capture was asked for, now that this
# one has succeeded.
prune() {
  local name ids='' count=0
  for name in ${EXPIRED[@]+"${EXPIRED[@]}"}; do
    is_file "$BACKUPS/$name" || continue
    rm -f -- "$BACKUPS/$name" "$BACKUPS/$name.sha256" || continue
    count=$((count + 1)) ids="$ids, ${name%%-*}"
  done
  [ "$count" -eq 0 ] || say "retention ($RETENTION): pruned $count backup(s): ${ids#, }"
}

capture() {
  LOGIN="port=$PORT user=$USERNAME dbname=$DATABASE connect_timeout=10 application_name=voodu-postgres-backup-$ID"
  [ -z "$PASSWORD_FILE" ] || take_password "$BACKUPS/$PASSWORD_FILE"
  say "capture: pg_dump → $BACKUPS/$FILE (db=$DATABASE, user=$USERNAME; raw size $(whole "$RAW"), estimated dump ~$(whole "$ESTIMATE"), container $CONTAINER)"
  [ -z "$PRIMARY" ] || hold_primary
  dump
  say "done: $(human "$(size_of "$PARTIAL")") in $(elapsed)s"
  read_back "$PARTIAL" || {
    show "$PROBLEMS"
    fail "$FILE cannot be read back: it is removed"
  }
  publish
  say "postgres $CLUSTER: backup $ID captured ($FILE, $(human "$(size_of "$BACKUPS/$FILE")"), source: ordinal $SOURCE, elapsed $(elapsed)s)"
  prune
  verify_others
}

capture
