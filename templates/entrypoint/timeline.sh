# --- Timelines --------------------------------------------------------------
# postgres numbers a new timeline by its own pg_wal only: one above the history files
# that follow its timeline without a gap (findNewestTimeLine). Two pods that lack each
# other's WAL would give one number to two histories, and nobody could tell them apart
# again. So the record keeps the highest number that was ever given; the pod that is
# promoted gets the next one, and places a history file for each number below it that it
# knows nothing of. Such a placeholder names no parent timeline, so no server takes it
# for a part of its own history.

# own_timeline: the timeline that this pod's data are on. After a promotion the last
# checkpoint can still be of the one before.
own_timeline() {
  local highest=1 found
  for found in $(control "Latest checkpoint's TimeLineID") $(control "Min recovery ending loc's timeline"); do
    [ "$found" -le "$highest" ] || highest=$found
  done
  printf '%s' "$highest"
}

# newest_timeline: the highest number that this pod knows to be taken.
newest_timeline() {
  local highest file
  highest=$(own_timeline)
  for file in "$PGDATA"/pg_wal/*.history; do
    file=${file##*/} file=${file%.history}
    [[ $file =~ ^[0123456789ABCDEF]{8}$ ]] || continue
    [ "$((16#$file))" -le "$highest" ] || highest=$((16#$file))
  done
  printf '%s' "$highest"
}

# place_histories BELOW: a history file for every number from 2 up to there. The standbys
# fetch those between their timeline and the primary's, and each must be there.
place_histories() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  as_postgres sh -c '
    number=2 placed=""
    while [ "$number" -lt "$2" ]; do
      file=$(printf "%s/%08X.history" "$1" "$number")
      if [ ! -e "$file" ]; then
        echo "# placeholder: this number was given on another pod" >"$file" || exit 1
        placed=1
      fi
      number=$((number + 1))
    done
    [ -z "$placed" ] || sync "$1"/*.history "$1"' sh "$PGDATA/pg_wal" "$1"
}

# drop_placeholders: those above the newest real history. A standby aims at the newest
# history file that it finds when it starts, and a placeholder would end it ("requested
# timeline is not a child of this server's history").
drop_placeholders() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  as_postgres sh -c '
    for file in $(ls -r "$1" | grep -E "^[0-9A-F]{8}\.history$"); do
      ! grep -qE "^[[:space:]]*[0-9]" "$1/$file" || break
      rm -f "$1/$file"
    done' sh "$PGDATA/pg_wal"
}

# claim_timeline: makes the promotion that follows choose the number that the record has
# for it. Returns 1 when this pod knows that number to be taken, after it asked for another
# in the record, and 2 when it cannot write what it takes.
claim_timeline() {
  local newest
  [ -n "$V_TIMELINE" ] || return 0
  newest=$(newest_timeline)
  if [ "$newest" -ge "$V_TIMELINE" ]; then
    say "timeline $V_TIMELINE was given before: taking $((newest + 1)) instead"
    record_change "timeline=$((newest + 1))" || retry "could not write the record"
    return 1
  fi
  place_histories "$V_TIMELINE" || return 2
}

# repeat_promotion: postgres removes standby.signal before the new timeline's first record
# is on disk (StartupXLOG). A crash in between leaves data that look like a primary's and
# would go on with the old timeline's number; pg_control still says that they were in
# recovery. They are a standby's, and are promoted again.
repeat_promotion() {
  [ "$SHAPE" = primary ] || return 0
  case $(control 'Database cluster state') in
    'in archive recovery' | 'shut down in recovery') ;;
    *) return 0 ;;
  esac
  say "this pod's promotion was interrupted before its new timeline began"
  { install_file "$PGDATA/standby.signal" 0600 </dev/null && sync "$PGDATA"; } || die "cannot write in $PGDATA"
  SHAPE=standby
}

# raise_timeline: a number that this pod's data are on was given, and so was the one in its
# copy, whatever the record says that was published after a loss.
raise_timeline() {
  local mine
  [ -n "$V_TIMELINE" ] && [[ $SHAPE =~ ^(primary|standby)$ ]] || return 0
  mine=$(own_timeline)
  [ "$mine" -ge "${C_TIMELINE:-0}" ] || mine=$C_TIMELINE
  [ "$mine" -le "$V_TIMELINE" ] || { record_change "timeline=$mine" && observe; }
}

# keep_timeline: the new primary's number is the highest that was given.
keep_timeline() {
  local mine
  [ -n "$V_TIMELINE" ] || return 0
  mine=$(local_sql <<<"SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int" 2>/dev/null)
  [[ $mine =~ ^[0123456789]+$ ]] || return 0
  place_histories "$mine" || say "could not write history files into $PGDATA/pg_wal"
  [ "$mine" -le "$V_TIMELINE" ] || [ "$V_STATE" != steady ] || record_change "timeline=$mine"
}
