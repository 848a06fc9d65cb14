# --- The topology record ----------------------------------------------------
# A few key=value lines say who is primary. The shared one lies in the backups
# directory, which all pods of the cluster mount; each pod keeps a copy of the
# last one that it saw. It is parsed strictly and never sourced.

RECORD=$BACKUPS/.topology
RECORD_LOCK=$BACKUPS/.topology.lock
RECORD_COPY=$VOLUME/.topology

# record_parse TEXT: fills R_* and returns 0, or returns 1 for anything that is
# not exactly a record.
record_parse() {
  local text=$1 line key value seen=' '
  R_CLUSTER='' R_EPOCH='' R_PRIMARY='' R_STATE='' R_TARGET='' R_STOPPED_AT='' R_CLEAN='' R_REJOIN=''
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
  local ordinal='^(0|[123456789][0123456789]{0,4})$'
  case $1 in
    cluster) [[ $2 =~ ^[0123456789abcdef]{32}$ ]] && R_CLUSTER=$2 ;;
    epoch) [[ $2 =~ ^[123456789][0123456789]{0,17}$ ]] && R_EPOCH=$2 ;;
    primary) [[ $2 =~ $ordinal ]] && R_PRIMARY=$2 ;;
    state) [[ $2 =~ ^(steady|handover|maintenance)$ ]] && R_STATE=$2 ;;
    target) [[ $2 =~ $ordinal ]] && R_TARGET=$2 ;;
    stopped_at) [[ $2 =~ ^[0123456789ABCDEF]{1,8}/[0123456789ABCDEF]{1,8}$ ]] && R_STOPPED_AT=$2 ;;
    clean) [[ $2 =~ $ordinal ]] && R_CLEAN=$2 ;;
    rejoin) [[ $2 =~ $ordinal ]] && R_REJOIN=$2 ;;
    *) return 1 ;;
  esac
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
  [ -z "${N_CLEAN:-}" ] || printf 'clean=%s\n' "$N_CLEAN"
  [ -z "${N_REJOIN:-}" ] || printf 'rejoin=%s\n' "$N_REJOIN"
}

# record_replace ALLOWED COMMAND...: under the lock, reads the shared record
# again, asks the function ALLOWED whether the change still holds, and installs
# what COMMAND prints. Returns 1 when somebody else was first.
record_replace() {
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
    # `mv` would move into a directory that somebody put in the record's place.
    [ ! -d "$RECORD" ] || [ -L "$RECORD" ] || exit 1
    rm -f "$RECORD".voodu.??????
    [ ! -L "$RECORD" ] || rm -f "$RECORD"
    "$@" | install_file "$RECORD" 0644 && sync "$BACKUPS"
  ) 9<>"$RECORD_LOCK"
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
  local N_CLUSTER=$ENV_CLUSTER N_EPOCH=1 N_PRIMARY=$ORDINAL N_STATE=steady
  record_replace record_decided_on record_render
}

# record_close_rejoin: this pod did what `rejoin` asked of it.
record_close_rejoin() {
  local V_REJOIN=''
  record_change
}

# record_change [STOPPED_AT]: replaces the record in view by its next epoch. The
# caller's local N_PRIMARY, N_STATE, V_CLEAN and V_REJOIN say what else differs.
record_change() {
  local N_CLUSTER=$V_CLUSTER N_EPOCH=$((V_EPOCH + 1)) N_PRIMARY=${N_PRIMARY:-$V_PRIMARY} N_STATE=${N_STATE:-$V_STATE}
  local N_TARGET='' N_STOPPED_AT='' N_CLEAN=$V_CLEAN N_REJOIN=$V_REJOIN
  [ "$N_STATE" != handover ] || N_TARGET=$V_TARGET N_STOPPED_AT=${1:-}
  record_replace record_decided_on record_render
}

# record_publish_copy: puts this pod's copy in the place of a shared record
# that is missing, unreadable or older.
record_publish_copy() { record_replace record_is_older printf '%s' "$C_TEXT"; }

# record_keep: keeps a copy of the record in force in the volume.
record_keep() {
  [ "$V_TEXT" = "$C_TEXT" ] || { printf '%s' "$V_TEXT" | install_file "$RECORD_COPY" 0644 && sync "$VOLUME"; }
}

# observe: this pod's view of the record, in V_*. V_RECORD is `ours`, `none`
# (there is none, or it belongs to a cluster that this empty volume knows
# nothing of), `foreign` or `garbage`. A good copy of a lost, unreadable or
# outdated shared record is published again.
observe() {
  local loaded
  V_RECORD=none V_TEXT='' V_CLUSTER=$ENV_CLUSTER V_EPOCH='' V_PRIMARY=$INITIAL_PRIMARY V_STATE=''
  V_TARGET='' V_STOPPED_AT='' V_CLEAN='' V_REJOIN=''
  C_TEXT='' C_EPOCH=''
  if record_load "$RECORD_COPY" && { [ "$SHAPE" != empty ] || [ "$R_CLUSTER" = "$ENV_CLUSTER" ]; }; then
    C_TEXT=$TEXT C_EPOCH=$R_EPOCH V_CLUSTER=$R_CLUSTER
  fi
  record_load "$RECORD"
  loaded=$?
  SHARED_TEXT=$TEXT
  if [ "$loaded" = 0 ] && [ "$R_CLUSTER" = "$V_CLUSTER" ] && { [ -z "$C_TEXT" ] || [ "$R_EPOCH" -ge "$C_EPOCH" ]; }; then
    observed ours "$TEXT"
  elif [ -n "$C_TEXT" ]; then
    if [ "$loaded" = 0 ] && [ "$R_CLUSTER" != "$V_CLUSTER" ]; then
      V_RECORD=foreign
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

# observe_copy: falls back on the copy, and lets the other pods see it again.
observe_copy() {
  if record_publish_copy; then
    say "the shared record $RECORD was missing, unreadable or outdated; published this pod's copy again (epoch $C_EPOCH)"
    REPUBLISHED=1
    SHARED_TEXT=$C_TEXT
  fi
  record_parse "$C_TEXT" && observed ours "$C_TEXT"
}

# observed KIND TEXT: takes the parsed record over into the view.
observed() {
  V_RECORD=$1 V_TEXT=$2 V_CLUSTER=$R_CLUSTER V_EPOCH=$R_EPOCH V_PRIMARY=$R_PRIMARY V_STATE=$R_STATE
  V_TARGET=$R_TARGET V_STOPPED_AT=$R_STOPPED_AT V_CLEAN=$R_CLEAN V_REJOIN=$R_REJOIN
}
