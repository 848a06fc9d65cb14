# --- One restore ------------------------------------------------------------
# In one transaction. Before it the file is read to its end, and every statement
# of the dump that is not data runs once in a transaction that is rolled back:
# what would fail is known before anything is changed.

FILE='' NAME='' CHECKSUM='' EXPECTED='' URL_FILE='' TRUSTED='' ID='' CLUSTER='' CONTAINER='' POD='' USERNAME='' DATABASE='' PORT=''
PASSWORD_FILE='' IGNORE_SPACE='' INPUT='' BYTES='' BLOCKERS='' CODE='' RESTORING='' RESTORED='' XID=''

for argument; do
  value=${argument#*=}
  case $argument in
    cluster=*) CLUSTER=$value ;;
    id=*) ID=$value ;;
    container=*) CONTAINER=$value ;;
    file=*) FILE=$value ;;
    name=*) NAME=$value ;;
    checksum=*) CHECKSUM=$value ;;
    sha256=*) EXPECTED=$value ;;
    url_file=*) URL_FILE=$value ;;
    trusted=*) TRUSTED=$value ;;
    target=*) POD=$value ;;
    user=*) USERNAME=$value ;;
    database=*) DATABASE=$value ;;
    port=*) PORT=$value ;;
    password_file=*) PASSWORD_FILE=$value ;;
    ignore_space=*) IGNORE_SPACE=$value ;;
    *) fail "unknown argument $argument" ;;
  esac
done

# The seconds that other sessions may hold the trial and the restore up.
TRIAL_PATIENCE=10 PATIENCE=30

NOT_KNOWN="whether the restore was committed is not known: look at what database $DATABASE holds"

# refuse SENTENCE: nothing was changed.
refuse() { fail "$*; the database is as it was"; }

# on_cancel: the server rolls back when its client is gone, unless the restore had
# just come to its end.
on_cancel() {
  local fate=aborted
  hold_signals
  if [ -n "$RESTORING" ]; then
    kill -TERM ${CHILDREN[@]+"${CHILDREN[@]}"} 2>/dev/null
    # Without a child it is over already, and only the server knows how.
    if [ "${#CHILDREN[@]}" != 0 ] && finish; then RESTORED=1; else fate=$(outcome 5); fi
  fi
  if [ -n "$RESTORED" ] || [ "$fate" = committed ]; then
    say "cancelled after $(elapsed)s, when the restore was complete; only the statistics are missing: run ANALYZE"
  elif [ "$fate" = aborted ]; then
    say "cancelled after $(elapsed)s; the database is as it was"
  else
    say "cancelled after $(elapsed)s; $NOT_KNOWN"
  fi
  leave 143
}
trap on_cancel INT TERM

prepare() {
  WORK=/tmp/restore
  { mkdir -m 0711 "$WORK" && umask 022; } || refuse "there is no room for temporary files in the container"
  export PGHOST=127.0.0.1 PGPORT=$PORT PGUSER=$USERNAME PGDATABASE=$DATABASE PGCONNECT_TIMEOUT=10
  [ -z "$PASSWORD_FILE" ] || take_password "$BACKUPS/$PASSWORD_FILE"
}

# as_restore COMMAND...: in the background only, in the place of the shell there,
# so that a signal reaches it; under the name by which blockers finds it.
as_restore() {
  export PGAPPNAME=voodu-postgres-restore
  exec "${DROP[@]}" "$@"
}

# sql: runs the SQL on standard input.
sql() { PGAPPNAME=voodu-postgres-restore-watch as_postgres psql -XAtqw -v ON_ERROR_STOP=1; }

# last_line FILE: what a program complained of last, without its own name.
last_line() { tail -n 1 "$1" | sed -e 's/^[a-z_]*: *//' -e 's/^error: *//' -e 's/\.$//'; }

# --- The file -----------------------------------------------------------------

# fetch: the URL lies in a file, because it can hold a password.
fetch() {
  FILE=$BACKUPS/.restore-$ID.download
  UNFINISHED+=("$FILE" "$BACKUPS/$URL_FILE")
  start /job/voodu-postgres job fetch-dump --url-file "$BACKUPS/$URL_FILE" --to "$FILE" ${TRUSTED:+--trusted "$TRUSTED"}
  finish || leave 1
}

# open_file: opened once, so that what is checked is what is restored, whatever
# becomes of its name.
open_file() {
  is_file "$FILE" || refuse "$NAME is not there, or no plain file"
  [ -s "$FILE" ] || refuse "$NAME is empty"
  exec 3<"$FILE" || refuse "$NAME cannot be opened"
  INPUT=/proc/$$/fd/3
}

check_format() {
  local start
  start=$(head -c 5 <"$INPUT" | od -An -tx1 | tr -d ' \n')
  case $start in
    5047444d50) return 0 ;;
    1f8b* | 425a68* | fd377a58* | 28b52ffd*) refuse "$NAME is compressed as a whole; unpack it, and restore the dump in it" ;;
  esac
  if [ "$(head -c 262 <"$INPUT" | tail -c 5)" = ustar ]; then
    refuse "$NAME is a tar: a physical backup is restored with vd postgres:restore --from, and of pg_dump's formats only the custom one (-F c) is"
  fi
  if head -c 4096 <"$INPUT" | grep -aqE '^(-- PostgreSQL database|SET |CREATE |INSERT |COPY |BEGIN|--)'; then
    refuse "$NAME is a plain SQL dump, which pg_restore cannot read; it can be run with vd postgres:psql $CLUSTER < file"
  fi
  refuse "$NAME is not a dump of pg_dump's custom format"
}

# verify: a backup with the checksum that it got when it was read to its end is as
# good as it was then. Every other file is read to its end now, as pg_restore reads
# it, whatever checksum somebody knows of it. Leaves the amount of data in BYTES,
# where it is known.
verify() {
  local found expected beside=''
  [ -z "$CHECKSUM" ] || ! is_file "$CHECKSUM" || beside=$(head -c 64 "$CHECKSUM" | tr -dc 0-9a-f)
  if [ -n "$EXPECTED$beside" ]; then
    start_reading "$INPUT" sha256sum >"$WORK/sha256"
    watch "reading $NAME"
    found=$(head -c 64 "$WORK/sha256")
    for expected in $EXPECTED $beside; do
      [ "$found" = "$expected" ] || refuse "$NAME is damaged: its sha256 is $found and should be $expected"
    done
  fi
  if [ -n "$beside" ] && [ "${FILE%/*}" = "$BACKUPS" ]; then
    say "verified: $NAME, $(human "$(file_size)"), sha256 matches"
    return 0
  fi
  start read_to_end
  watch "reading $NAME"
  [ "$CODE" = 0 ] || refuse "$NAME is damaged or cut off: $(last_line "$PROBLEMS")"
  BYTES=$(tr -dc 0-9 <"$WORK/bytes")
  say "verified: $NAME, $(human "$(file_size)"), read to its end"
}

read_to_end() {
  set -o pipefail
  as_postgres pg_restore -f - <"$INPUT" 2>"$PROBLEMS" | wc -c >"$WORK/bytes"
}

file_size() { stat -Lc %s "$INPUT"; }

# contents: the table of contents, in the order in which it is restored. An index
# that is attached to another one cannot be dropped alone, so it comes before the
# one that it is attached to: dropped is in reverse, and then goes with it.
contents() {
  if ! as_postgres pg_restore -l -v <"$INPUT" >"$WORK/contents" 2>"$PROBLEMS"; then
    ! grep -q 'unsupported version' "$PROBLEMS" || refuse "$NAME was made by a newer pg_dump than this server's: $(pg_restore --version) cannot read it"
    refuse "$NAME is damaged or cut off: $(last_line "$PROBLEMS")"
  fi
  awk '
    function emit(entry,   count, number, child) {
      if (done[entry]++) return
      count = split(children[entry], child, " ")
      for (number = 1; number <= count; number++) emit(child[number])
      print line[entry]
    }
    /^[0-9]+;/ {
      last = $1 + 0
      if ($4 ~ /^(ENCODING|STDSTRINGS|SEARCHPATH|DATABASE)$/) { last = ""; next }
      line[last] = $0; order[++entries] = last
      is_index[last] = ($2 == 1259 && $4 == "INDEX") || ($2 == 2606 && $4 == "CONSTRAINT")
    }
    /^;[ \t]*depends on:/ { if (last != "") for (number = 4; number <= NF; number++) needs[last] = needs[last] " " $number }
    END {
      for (entry = 1; entry <= entries; entry++) if (is_index[order[entry]]) {
        count = split(needs[order[entry]], need, " ")
        for (number = 1; number <= count; number++)
          if (is_index[need[number]] && !seen[need[number], order[entry]]++)
            children[need[number]] = children[need[number]] " " order[entry]
      }
      for (entry = 1; entry <= entries; entry++) emit(order[entry])
    }' "$WORK/contents" >"$WORK/list"
  check_age
}

# check_age: a newer pg_dump may have written what this pg_restore does not know.
check_age() {
  local dumped ours
  dumped=$(sed -n 's/^; *Dumped by pg_dump version: \([0-9]*\).*/\1/p' "$WORK/contents")
  ours=$(pg_restore --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
  [ -n "$dumped" ] && [ "$dumped" -gt "$ours" ] || return 0
  refuse "$NAME was made by pg_dump $dumped, which is newer than this server ($ours); restore it into a cluster of postgres $dumped"
}

# --- The target ----------------------------------------------------------------

check_server() {
  local answer
  answer=$(sql <<<"SELECT pg_is_in_recovery(), current_setting('server_version_num')::int >= 140000" 2>"$PROBLEMS") ||
    refuse "pod $POD cannot be asked: $(last_line "$PROBLEMS")"
  [ "${answer%|*}" = f ] || refuse "pod $POD is not the primary any more"
  # So that the server notices within a second that a restore was killed.
  [ "${answer#*|}" = f ] || PGOPTIONS+=" -c client_connection_check_interval=1000"
}

# check_space: until the commit the old data stay beside the new ones, with
# indexes and WAL. A disk that fills up stops the whole server.
check_space() {
  local free need
  free=$(sql 2>"$PROBLEMS" <<'SQL'
BEGIN;
CREATE TEMPORARY TABLE voodu_df (line text) ON COMMIT DROP;
COPY voodu_df FROM PROGRAM 'df -Pk .';
SELECT (regexp_match(line, '^\S+ +\d+ +\d+ +(\d+) '))[1]::bigint * 1024 FROM voodu_df WHERE line ~ ' \d+% ';
ROLLBACK;
SQL
  )
  if [ -z "$free" ]; then
    say "the free space of pod $POD could not be found out: $(last_line "$PROBLEMS")"
    return 0
  fi
  need=$(needed)
  need=$((need + (need < 2147483648 ? need : 2147483648)))
  [ "$free" -lt "$need" ] || return 0
  [ "$IGNORE_SPACE" = yes ] ||
    refuse "pod $POD has $(human "$free") free, and the restore may take $(human "$need") beside the old data; make room, or run it again with --ignore-space if the estimate is wrong"
  say "going on with $(human "$free") free, where $(human "$need") may be needed"
}

# needed: the restored data and their indexes, estimated.
needed() {
  local now
  if [ -n "$BYTES" ]; then
    echo $((BYTES + BYTES / 4))
    return
  fi
  now=$(sql <<<'SELECT pg_database_size(current_database())')
  [ "$now" -ge $((2 * $(file_size))) ] || now=$((2 * $(file_size)))
  echo "$now"
}

# note_grants: what the flags of pg_restore leave behind.
note_grants() {
  local roles
  roles=$(sql <<'SQL'
SELECT string_agg(DISTINCT quote_ident(rolname), ', ')
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = relnamespace AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  CROSS JOIN LATERAL (SELECT relowner AS id UNION SELECT grantee FROM aclexplode(relacl)) AS holder
  JOIN pg_roles AS r ON r.oid = holder.id AND rolname <> current_user
SQL
  )
  [ -z "$roles" ] || say "note: owners and grants are not restored, and tables here belong to or are granted to $roles: give them their rights again afterwards"
}

# --- Running -------------------------------------------------------------------

# note_transaction: leaves the number of the restore's transaction in XID, as soon as it
# has one. The reply to a COMMIT can be lost, and the server knows by this number how it
# ended (postgres manual, "System Information Functions": txid_status).
note_transaction() {
  [ -n "$RESTORING" ] && [ -z "$XID" ] || return 0
  XID=$(sql 2>/dev/null <<'SQL'
SELECT CASE WHEN number > next THEN number - 4294967296 ELSE number END
  FROM (SELECT txid_snapshot_xmax(txid_current_snapshot()) AS next) AS newest,
       LATERAL (SELECT next / 4294967296 * 4294967296 + backend_xid::text::bigint AS number FROM pg_stat_activity
                 WHERE application_name = 'voodu-postgres-restore' AND backend_xid IS NOT NULL LIMIT 1) AS mine
SQL
  )
}

# outcome SECONDS: how the restore's transaction ended: committed, aborted or unknown. A
# server that restarts is waited for. A client that is gone does not end a commit that
# waits for a synchronous standby.
outcome() {
  local answer='' deadline=$(($(elapsed) + $1))
  while [ -n "$XID" ]; do
    answer=$(sql <<<"SELECT txid_status($XID)" 2>/dev/null)
    case $answer in
      committed | aborted)
        printf '%s' "$answer"
        return
        ;;
    esac
    [ "$(elapsed)" -lt "$deadline" ] || break
    pause 0.2
  done
  printf unknown
}

# watch WHAT [PATIENCE]: waits for what was started, with a line every ten
# seconds, and ends it when other sessions hold it up for longer than PATIENCE.
# Leaves its exit code in CODE, and in BLOCKERS who held it up.
watch() {
  local child=${CHILDREN[0]} next=$(($(elapsed) + 10)) look=$(($(elapsed) + 1)) since='' who=''
  BLOCKERS=''
  while kill -0 "$child" 2>/dev/null; do
    pause 0.03
    note_transaction
    if [ -n "${2:-}" ] && [ "$(elapsed)" -ge "$look" ]; then
      who=$(blockers 2>/dev/null)
      [ -n "$who" ] || since=''
      [ -z "$who" ] || : "${since:=$(elapsed)}"
      if [ -n "$since" ] && [ "$(($(elapsed) - since))" -ge "$2" ]; then
        BLOCKERS=$who
        kill -TERM "$child" 2>/dev/null
      fi
      look=$(($(elapsed) + 2))
    fi
    if [ "$(elapsed)" -ge "$next" ]; then
      say "[$(elapsed)s] $1$(progress)${since:+, waiting for $who}"
      next=$(($(elapsed) + 10))
    fi
  done
  CODE=0
  finish || CODE=$?
}

# refuse_blocked SECONDS: when others held it up for so long.
refuse_blocked() {
  [ -z "$BLOCKERS" ] ||
    refuse "it waited for $1s for a lock that others hold: $BLOCKERS; stop the application, or end the session with SELECT pg_terminate_backend(...)"
}

# blockers: the sessions that the restore waits for.
blockers() {
  sql <<SQL
SELECT string_agg(DISTINCT CASE WHEN blocking.pid = 0 THEN 'a prepared transaction (see pg_prepared_xacts)' ELSE
    concat('session ', blocking.pid, ' of ', other.usename, ' (' || nullif(other.application_name, '') || ')', ' from ' || host(other.client_addr),
      ', ', other.state, ' for ', extract(epoch FROM now() - coalesce(other.state_change, other.backend_start))::int, ' s') END, '; ')
  FROM pg_stat_activity AS mine
  CROSS JOIN LATERAL unnest(pg_blocking_pids(mine.pid)) AS blocking(pid)
  LEFT JOIN pg_stat_activity AS other ON other.pid = blocking.pid
 WHERE mine.application_name = 'voodu-postgres-restore'
SQL
}

# progress: what pg_restore is at.
progress() {
  [ ! -s "$WORK/progress" ] || tail -n 1 "$WORK/progress" | sed -e 's/^pg_restore: */: /' -e 's/"//g'
}

# trial: everything but the data, in a transaction that is rolled back. pg_restore sends
# its statements to the server through voodu-postgres, which says why they cannot be
# restored: no line of the dump is read here, and none goes through psql.
trial() {
  local socket=$WORK/.s.PGSQL.$PORT reason='' left=250
  /job/voodu-postgres job rehearse --socket "$socket" --server "127.0.0.1:$PORT" --reason "$WORK/reason" >"$WORK/rehearsal" 2>&1 &
  HELPERS+=("$!")
  until [ -e "$socket" ] || [ "$left" = 0 ]; do
    pause 0.02
    left=$((left - 1))
  done
  start_reading "$INPUT" as_restore env PGHOST="$WORK" pg_restore --clean --if-exists --no-owner --no-privileges --schema-only \
    --no-password -L "$WORK/list" -d "$DATABASE" >/dev/null 2>"$PROBLEMS"
  CHILDREN+=("${HELPERS[@]}")
  HELPERS=()
  watch "trying the dump's statements" "$TRIAL_PATIENCE"
  refuse_blocked "$TRIAL_PATIENCE"
  [ ! -e "$WORK/reason" ] || IFS= read -r reason <"$WORK/reason"
  case $reason in
    ended) fail "statements of $NAME end the transaction in which they are tried, which no dump of pg_dump does; what stands before them may be in database $DATABASE" ;;
    locks)
      refuse "the dump has more objects than the server can lock in one transaction: raise max_locks_per_transaction in the block's pg_config (it is $(sql <<<'SHOW max_locks_per_transaction')), and apply"
      ;;
    ?*) refuse "$reason" ;;
  esac
  [ "$CODE" = 0 ] || refuse "the dump's statements cannot be tried: $(last_line "$PROBLEMS"), $(last_line "$WORK/rehearsal")"
}

restore() {
  local error
  RESTORING=1
  start_reading "$INPUT" as_restore pg_restore --clean --if-exists --no-owner --no-privileges --single-transaction --exit-on-error \
    --verbose --no-password -L "$WORK/list" -d "$DATABASE" 2>"$WORK/progress"
  watch "restoring" "$PATIENCE"
  # It may have come to its end just when it was to be stopped.
  if [ "$CODE" = 0 ]; then
    RESTORED=1 RESTORING=''
    return 0
  fi
  # One that waited before its first change has no number yet, and no commit.
  [ -z "$BLOCKERS" ] || [ -n "$XID" ] || refuse_blocked "$PATIENCE"
  error=$(grep -m 1 -E 'error: ' "$WORK/progress" | sed 's/^.*error: *//')
  if ! was_refused "$error"; then
    case $(outcome 60) in
      committed)
        say "the connection ended before the server's reply; it had committed the restore"
        RESTORED=1 RESTORING=''
        return 0
        ;;
      aborted) ;;
      *) fail "pg_restore exited $CODE: ${error:-$(last_line "$WORK/progress")}; $NOT_KNOWN" ;;
    esac
  fi
  RESTORING=''
  refuse_blocked "$PATIENCE"
  refuse "pg_restore exited $CODE: ${error:-$(last_line "$WORK/progress")}"
}

# was_refused ERROR: whether the server said no, or was never reached.
was_refused() { [[ $1 == *ERROR:* || $1 == *'connection to server at'* ]]; }

# restored: the statistics are no part of a dump.
restored() {
  RESTORED=1
  rm -f "$WORK/progress"
  say "restored in $(elapsed)s; collecting statistics"
  start as_restore psql -Xqw -c ANALYZE 2>"$PROBLEMS"
  watch "collecting statistics"
  [ "$CODE" = 0 ] || fail "$(last_line "$PROBLEMS"); the restore is complete, but without statistics: run ANALYZE"
  say "postgres $CLUSTER: $NAME restored into database $DATABASE ($(elapsed)s)"
}

restore_dump() {
  prepare
  say "restore: $NAME → database $DATABASE of pod $POD (user=$USERNAME, container $CONTAINER)"
  [ -z "$URL_FILE" ] || fetch
  open_file
  check_format
  contents
  verify
  check_server
  check_space
  trial
  say "tried: every statement of the dump works here; restoring"
  note_grants
  restore
  restored
  # What was downloaded.
  [ "${#UNFINISHED[@]}" -eq 0 ] || rm -f -- "${UNFINISHED[@]}"
}

restore_dump
