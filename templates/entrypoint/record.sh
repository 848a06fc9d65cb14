# --- The topology record ----------------------------------------------------
# A few key=value lines say who is primary. The shared one lies in the backups
# directory, which all pods of the cluster mount; each pod keeps a copy of the
# last one that it saw. It is parsed strictly and never sourced.

RECORD=$BACKUPS/.topology
RECORD_LOCK=$BACKUPS/.topology.lock
RECORD_COPY=$VOLUME/.topology
# The epoch of the last stop that this pod announced, or was about to.
ANNOUNCED=$VOLUME/.voodu-announced

# record_parse TEXT: fills R_* and returns 0, or returns 1 for anything that is
# not exactly a record.
record_parse() {
  local text=$1 line key value seen=' '
  R_CLUSTER='' R_EPOCH='' R_PRIMARY='' R_STATE='' R_TARGET='' R_STOPPED_AT='' R_TIMELINE='' R_CLEAN='' R_REJOIN='' R_SETTLES=''
  while [ -n "$text" ]; do
    line=${text%%$'\n'*}
    # A last line without its line end is a record that was cut off.
    [ "$line" != "$text" ] || return 1
    text=${text#*$'\n'}
    key=${line%%=*} value=${line#*=}
    [ "$key" != "$line" ] && [[ $seen != *" $key "* ]] || return 1
    seen+="$key "
    record_field "$key" "$value" || return 1
  done
  [ -n "$R_CLUSTER" ] && [ -n "$R_EPOCH" ] && [ -n "$R_PRIMARY" ] && [ -n "$R_STATE" ] || return 1
  if [ "$R_STATE" = handover ]; then
    [ -n "$R_TARGET" ]
  else
    [ -z "$R_TARGET$R_STOPPED_AT" ]
  fi
}

# record_field KEY VALUE: checks one line and keeps its value.
record_field() {
  # Ranges like 0-9 hold other scripts' digits too in some locales.
  local ordinal='^(0|[123456789][0123456789]{0,4})$' location='[0123456789ABCDEF]{1,8}/[0123456789ABCDEF]{1,8}'
  case $1 in
    cluster) [[ $2 =~ ^[0123456789abcdef]{32}$ ]] && R_CLUSTER=$2 ;;
    epoch) [[ $2 =~ ^[123456789][0123456789]{0,17}$ ]] && R_EPOCH=$2 ;;
    primary) [[ $2 =~ $ordinal ]] && R_PRIMARY=$2 ;;
    state) [[ $2 =~ ^(steady|handover|maintenance)$ ]] && R_STATE=$2 ;;
    target) [[ $2 =~ $ordinal ]] && R_TARGET=$2 ;;
    stopped_at) [[ $2 =~ ^$location$ ]] && R_STOPPED_AT=$2 ;;
    timeline) [[ $2 =~ ^[123456789][0123456789]{0,8}$ ]] && R_TIMELINE=$2 ;;
    clean) record_clean "$2" && R_CLEAN=$2 ;;
    rejoin) [[ $2 =~ $ordinal ]] && R_REJOIN=$2 ;;
    settles) [[ $2 =~ ^[123456789][0123456789]{0,17}$ ]] && R_SETTLES=$2 ;;
    *) return 1 ;;
  esac
}

# record_clean LIST: whether it names pods, each once and with the location of its
# shutdown checkpoint: 0@0/5A8,2@0/6B0. Format 1 names one pod and no location.
record_clean() {
  local entry rest="$1," pods=,
  while [ -n "$rest" ]; do
    entry=${rest%%,*} rest=${rest#*,}
    [[ $entry =~ ^(0|[123456789][0123456789]{0,4})(@[0123456789ABCDEF]{1,8}/[0123456789ABCDEF]{1,8})?$ ]] || return 1
    [[ $pods != *",${entry%@*},"* ]] || return 1
    pods+="${entry%@*},"
  done
}

# clean_without ORDINAL...: the list in view without those pods.
clean_without() {
  local entry rest=${V_CLEAN:+$V_CLEAN,} list=''
  while [ -n "$rest" ]; do
    entry=${rest%%,*} rest=${rest#*,}
    [[ " $* " == *" ${entry%@*} "* ]] || list+=",$entry"
  done
  printf '%s' "${list#,}"
}

# clean_stop ORDINAL: leaves in CLEAN_AT where that pod shut down cleanly, by the list in
# view; empty in format 1. Returns 1 when the list does not name it.
clean_stop() {
  local list=",$V_CLEAN,"
  CLEAN_AT=''
  [[ $list == *",$1,"* || $list == *",$1@"* ]] || return 1
  list=${list#*",$1"} list=${list%%,*}
  CLEAN_AT=${list#@}
}

# record_load FILE: like read_file, and leaves the record's fields in R_*;
# returns 2 for everything that is not a record.
record_load() {
  read_file "$1" || return
  record_parse "$TEXT" || return 2
}

# record_render: prints the record that N_* describe.
record_render() {
  printf 'cluster=%s\nepoch=%s\nprimary=%s\nstate=%s\n' "$N_CLUSTER" "$N_EPOCH" "$N_PRIMARY" "$N_STATE"
  [ -z "${N_TARGET:-}" ] || printf 'target=%s\n' "$N_TARGET"
  [ -z "${N_STOPPED_AT:-}" ] || printf 'stopped_at=%s\n' "$N_STOPPED_AT"
  [ -z "${N_TIMELINE:-}" ] || printf 'timeline=%s\n' "$N_TIMELINE"
  [ -z "${N_CLEAN:-}" ] || printf 'clean=%s\n' "$N_CLEAN"
  [ -z "${N_REJOIN:-}" ] || printf 'rejoin=%s\n' "$N_REJOIN"
  [ -z "${N_SETTLES:-}" ] || printf 'settles=%s\n' "$N_SETTLES"
}

# record_replace ALLOWED COMMAND...: installs what COMMAND prints, where ALLOWED still
# allows it. Returns 1 when somebody else was first.
record_replace() { record_locked "$1" record_put "${@:2}"; }

# record_put COMMAND...
record_put() {
  # `mv` would move into a directory that somebody put in the record's place.
  [ ! -d "$RECORD" ] || [ -L "$RECORD" ] || return 1
  rm -f "$RECORD".voodu.?????? "$RECORD".voodu.*.??????
  [ ! -L "$RECORD" ] || rm -f "$RECORD"
  record_install "$RECORD" "$("$@")" && sync "$BACKUPS"
}

# record_locked ALLOWED COMMAND...: under the lock, reads the shared record again, asks
# the function ALLOWED whether the change still holds, and runs COMMAND.
record_locked() {
  local allowed=$1
  shift
  # Opening a link would create what it points at. A pipe that comes later does
  # not block, because the lock is opened for both directions.
  if [ -L "$RECORD_LOCK" ] || { [ -e "$RECORD_LOCK" ] && [ ! -f "$RECORD_LOCK" ]; }; then
    rm -f "$RECORD_LOCK"
  fi
  (
    # Busybox' flock has no time limit of its own.
    timeout 10 flock 9 || exit 1
    lock_is_in_place /proc/self/fd/9 || exit 1
    record_load "$RECORD"
    "$allowed" $? || exit 1
    "$@"
  ) 9<>"$RECORD_LOCK"
}

# record_install FILE TEXT: installs a record in FILE's place. On a full disk it goes
# into space that this pod reserved beforehand, and the rename takes none.
record_install() {
  printf '%s\n' "$2" | install_file "$1" 0644 2>/dev/null || record_install_reserved "$1" "$2"
}

record_install_reserved() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  as_postgres sh -c '
    for file in "${1%/*}/.topology.reserve-$3-1" "${1%/*}/.topology.reserve-$3-2"; do
      [ -f "$file" ] && [ ! -L "$file" ] || continue
      # Written in place: neither opening nor writing frees the blocks that the file has.
      printf "%s\n" "$2" | dd of="$file" conv=notrunc 2>/dev/null &&
        dd if=/dev/null of="$file" bs=1 seek="$((${#2} + 1))" 2>/dev/null &&
        chmod 0644 "$file" && sync "$file" && mv -f "$file" "$1" && exit 0
    done
    exit 1' sh "$1" "$2" "$ORDINAL"
}

# reserve_space DIRECTORY: two files that each hold the space of a record. Returns 1 when
# one of them is missing.
reserve_space() {
  local number file missing=''
  for number in 1 2; do
    file=$1/.topology.reserve-$ORDINAL-$number
    [ -f "$file" ] && [ ! -L "$file" ] && continue
    printf '%4096s' '' | install_file "$file" 0600 2>/dev/null || missing=1
  done
  [ -z "$missing" ]
}

# lock_is_in_place OPEN: whoever removed the lock file meanwhile made others lock
# another one.
lock_is_in_place() { [ -f "$1" ] && [ ! -L "$RECORD_LOCK" ] && [ "$RECORD_LOCK" -ef "$1" ]; }

# record_decided_on LOADED: the shared record is still the one that the change
# was decided on (V_* is this pod's view of it).
record_decided_on() {
  if [ "$V_RECORD" = none ]; then
    record_is_useless "$1"
  else
    [ "$1" = 0 ] && [ "$R_CLUSTER" = "$V_CLUSTER" ] && [ "$R_EPOCH" = "$V_EPOCH" ] && [ "$R_STATE" = "$V_STATE" ]
  fi
}

# record_is_useless LOADED: there is no shared record of this pod's cluster.
record_is_useless() { [ "$1" != 0 ] || [ "$R_CLUSTER" != "$V_CLUSTER" ]; }

# record_is_older LOADED: the shared record knows less than this pod's copy.
record_is_older() {
  [ "$1" != 0 ] || { [ "$R_CLUSTER" = "$V_CLUSTER" ] && [ "$R_EPOCH" -lt "$C_EPOCH" ]; }
}

# record_create: writes the first record of a cluster, with this pod as primary.
record_create() {
  local N_CLUSTER=$ENV_CLUSTER N_EPOCH=1 N_PRIMARY=$ORDINAL N_STATE=steady N_TIMELINE
  N_TIMELINE=$(own_timeline)
  record_replace record_decided_on record_render
}

# record_close_rejoin: this pod did what `rejoin` asked of it.
record_close_rejoin() { record_change rejoin=; }

# record_change KEY=VALUE...: replaces the record in view by its next epoch, with these
# changes.
record_change() {
  record_next "$@"
  record_replace record_decided_on record_render
}

# By how many epochs the end of a maintenance comes after it (SUPERSEDES in the plugin): the
# pod that was to be restored may have been told of an end that did not come into force.
AFTER_MAINTENANCE=10

# record_next KEY=VALUE...: leaves in N_* the record that follows the one in view.
record_next() {
  local change
  N_CLUSTER=$V_CLUSTER N_EPOCH=$((V_EPOCH + 1)) N_PRIMARY=$V_PRIMARY N_STATE=$V_STATE N_TARGET=$V_TARGET N_STOPPED_AT=$V_STOPPED_AT
  N_TIMELINE=$V_TIMELINE N_CLEAN=$V_CLEAN N_REJOIN=$V_REJOIN N_SETTLES=''
  for change; do
    case $change in
      epoch=*) N_EPOCH=${change#*=} ;;
      primary=*) N_PRIMARY=${change#*=} ;;
      state=*) N_STATE=${change#*=} ;;
      stopped_at=*) N_STOPPED_AT=${change#*=} ;;
      timeline=*) N_TIMELINE=${change#*=} ;;
      clean=*) N_CLEAN=${change#*=} ;;
      rejoin=*) N_REJOIN=${change#*=} ;;
      settles=*) N_SETTLES=${change#*=} ;;
    esac
  done
  [ "$N_STATE" = handover ] || N_TARGET='' N_STOPPED_AT=''
  [ "$V_STATE" != maintenance ] || [ "$N_STATE" = maintenance ] || N_EPOCH=$((V_EPOCH + AFTER_MAINTENANCE))
}

# record_publish_copy: puts this pod's copy in the place of a shared record that is
# missing, unreadable or older.
record_publish_copy() { record_replace record_is_older printf '%s' "$C_TEXT"; }

# record_keep: keeps a copy of the record in force in the volume. An announcement that did
# not get out stays until a newer record is there.
record_keep() {
  [ "$V_TEXT" = "$C_TEXT" ] || [ "$V_EPOCH" -lt "${C_EPOCH:-0}" ] || { record_install "$RECORD_COPY" "${V_TEXT%$'\n'}" && sync "$VOLUME"; }
}

# observe: this pod's view of the record, in V_*. V_RECORD is `ours`, `none`
# (there is none, or it belongs to a cluster that this empty volume knows
# nothing of), `foreign`, `garbage`, or one of two in which the copy is all that there
# is and may not be acted on: `lost` (the shared record is gone, unreadable or older,
# and the copy shows a change of roles half done) and `contradicted` (the shared record
# has the copy's epoch and names another primary).
observe() {
  local loaded
  V_RECORD=none V_TEXT='' V_CLUSTER=$ENV_CLUSTER V_EPOCH='' V_PRIMARY=$INITIAL_PRIMARY V_STATE=''
  V_TARGET='' V_STOPPED_AT='' V_TIMELINE='' V_CLEAN='' V_REJOIN=''
  C_TEXT='' C_EPOCH='' C_STATE='' C_PRIMARY='' C_TARGET='' C_STOPPED_AT='' C_TIMELINE=''
  if record_load "$RECORD_COPY" && { [ "$SHAPE" != empty ] || [ "$R_CLUSTER" = "$ENV_CLUSTER" ]; }; then
    C_TEXT=$TEXT C_EPOCH=$R_EPOCH C_STATE=$R_STATE C_PRIMARY=$R_PRIMARY V_CLUSTER=$R_CLUSTER
    C_TARGET=$R_TARGET C_STOPPED_AT=$R_STOPPED_AT C_TIMELINE=$R_TIMELINE
  fi
  record_load "$RECORD"
  loaded=$?
  SHARED_TEXT=$TEXT
  if [ "$loaded" = 0 ] && [ "$R_CLUSTER" = "$V_CLUSTER" ] && follows_copy; then
    observed ours "$SHARED_TEXT"
  elif [ -n "$C_TEXT" ]; then
    if [ "$loaded" = 0 ] && [ "$R_CLUSTER" != "$V_CLUSTER" ]; then
      V_RECORD=foreign
    elif [ "$loaded" = 0 ] && [ "$R_EPOCH" = "$C_EPOCH" ] && [ "$C_STATE" = steady ]; then
      record_parse "$C_TEXT" && observed contradicted "$C_TEXT"
    else
      observe_copy
    fi
  elif [ "$loaded" = 2 ]; then
    V_RECORD=garbage
  elif [ "$loaded" = 0 ]; then
    # A cluster that was deleted with its volumes leaves its record behind, and
    # a volume without data has no reason to mind.
    case $SHAPE in
      standby | primary | unknown) V_RECORD=foreign ;;
    esac
  fi
  # Kept before it is acted on: a pod that dies right after its promotion knows
  # of it at its next boot, whatever became of the shared record.
  case $SHAPE:$V_RECORD in
    standby:ours | primary:ours) record_keep || say "could not keep a copy of the record in $VOLUME" ;;
  esac
}

# follows_copy: whether the shared record, in R_* and SHARED_TEXT, is the copy or comes
# after it. Two records of one epoch come about when the shared one was lost.
follows_copy() {
  if [ -z "$C_TEXT" ] || [ "$SHARED_TEXT" = "$C_TEXT" ]; then
    return 0
  elif [ "$C_STATE" = handover ] && [ "$C_PRIMARY" = "$ORDINAL" ] && stop_was_announced; then
    follows_stop
  elif [ "$R_EPOCH" != "$C_EPOCH" ]; then
    [ "$R_EPOCH" -gt "$C_EPOCH" ]
  elif [ "$C_STATE" = steady ]; then
    [ "$R_STATE" = steady ] && [ "$R_PRIMARY" = "$C_PRIMARY" ]
  else
    # A handover that was called off before the stop that this pod's copy shows.
    [ "$R_STATE" = steady ] && [ -z "$R_SETTLES" ]
  fi
}

# stop_was_announced: whether the copy's handover may have been completed: this pod was to
# hand over, and published where it stopped, or was about to. Leaves the epoch of that in
# ANNOUNCED_EPOCH.
stop_was_announced() {
  ANNOUNCED_EPOCH=$(($(handover_began) + 1))
  [ -n "$C_STOPPED_AT" ] || { read_file "$ANNOUNCED" && [ "$TEXT" = "$ANNOUNCED_EPOCH"$'\n' ]; }
}

# follows_stop: whether the shared record, in R_*, comes after the stop that this pod
# announced. A target that ends a handover from its copy may speak of an earlier one.
follows_stop() {
  # The announcement was kept and did not get out: the handover still waits for it.
  if [ "$R_STATE:$R_TARGET:$R_STOPPED_AT" = "handover:$C_TARGET:" ] && [ "$R_EPOCH" = "$(handover_began)" ]; then
    return 0
  fi
  if [ -n "$R_SETTLES" ] && [ "$R_PRIMARY" = "$ORDINAL" ]; then
    [ "$R_SETTLES" = "$(handover_began)" ]
  else
    [ "$R_EPOCH" -ge "$ANNOUNCED_EPOCH" ]
  fi
}

# handover_began: the epoch with which the handover in the copy began. The old primary's
# stop is the next one.
handover_began() {
  if [ -n "$C_STOPPED_AT" ]; then printf '%s' "$((C_EPOCH - 1))"; else printf '%s' "$C_EPOCH"; fi
}

# observe_copy: the shared record is missing, unreadable or older than this pod's copy. The
# copy is published again: the newest one of all pods wins. A handover that it shows may be
# over by now, so only a pod that knows how it ended says so.
observe_copy() {
  record_parse "$C_TEXT" || return
  observed lost "$C_TEXT"
  case $C_STATE in
    steady | maintenance) publish_copy ;;
    handover)
      if [ "$V_TARGET" = "$ORDINAL" ]; then
        publish record_resolve
      elif [ "$C_PRIMARY" = "$ORDINAL" ] && ! stop_was_announced; then
        publish record_reclaim
      fi
      ;;
  esac
}

# publish_copy: what the copy says holds, also where it cannot be published.
publish_copy() {
  V_RECORD=ours
  publish record_publish_copy
}

# publish COMMAND: lets the other pods see the record again, and takes it over into the
# view.
publish() {
  "$@" || return 0
  record_load "$RECORD" && [ "$R_CLUSTER" = "$V_CLUSTER" ] || return 0
  say "the shared record $RECORD was missing, unreadable or outdated; published it again from this pod's copy (epoch $R_EPOCH)"
  REPUBLISHED=1
  SHARED_TEXT=$TEXT
  observed ours "$TEXT"
}

# record_resolve: the target ends a handover that it cannot complete any more, because it
# takes over only by the shared record. Everything that the old primary or the plugin did
# in that handover has a lower epoch.
record_resolve() {
  local began
  began=$(handover_began)
  record_next state=steady "epoch=$((began + 3))" "settles=$began"
  [ -n "$N_TIMELINE" ] || N_SETTLES=''
  record_replace record_is_outdated record_render
}

# record_reclaim: the old primary ends a handover in which it did not announce its stop, so
# that nobody can have taken over.
record_reclaim() {
  record_next state=steady
  record_replace record_is_outdated record_render
}

# record_is_outdated LOADED: like record_is_older, and also when the shared record has the
# copy's epoch.
record_is_outdated() {
  [ "$1" != 0 ] || { [ "$R_CLUSTER" = "$V_CLUSTER" ] && [ "$R_EPOCH" -le "$C_EPOCH" ]; }
}

# observed KIND TEXT: takes the parsed record over into the view.
observed() {
  V_RECORD=$1 V_TEXT=$2 V_CLUSTER=$R_CLUSTER V_EPOCH=$R_EPOCH V_PRIMARY=$R_PRIMARY V_STATE=$R_STATE
  V_TARGET=$R_TARGET V_STOPPED_AT=$R_STOPPED_AT V_TIMELINE=$R_TIMELINE V_CLEAN=$R_CLEAN V_REJOIN=$R_REJOIN
}
