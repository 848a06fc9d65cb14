# --- The data directory -----------------------------------------------------

# data_shape: leaves in SHAPE what the data directory looks like: empty, init
# or clone (such a step was interrupted), fresh (initialised, never used),
# standby, primary, or unknown.
data_shape() {
  if [ -e "$INIT_SENTINEL" ]; then
    SHAPE=init
    read_file "$INIT_SENTINEL" && [ "$TEXT" = complete$'\n' ] && SHAPE=fresh
  elif [ -n "$RECLONE" ] || [ -e "$CLONE_SENTINEL" ] || [ -e "$OLDER_CLONE_SENTINEL" ]; then
    SHAPE=clone
  elif [ ! -d "$PGDATA" ] || directory_is_empty "$PGDATA"; then
    SHAPE=empty
  elif [ ! -s "$PGDATA/PG_VERSION" ] || [ ! -f "$PGDATA/global/pg_control" ]; then
    SHAPE=unknown
  elif [ -e "$PGDATA/standby.signal" ] || [ -e "$PGDATA/recovery.signal" ]; then
    SHAPE=standby
  else
    SHAPE=primary
  fi
}

# data_are_complete: no mark says that they are half of something.
data_are_complete() {
  local mark
  for mark in "$INIT_SENTINEL" "$CLONE_SENTINEL" "$OLDER_CLONE_SENTINEL"; do
    [ ! -e "$mark" ] || return 1
  done
  [ -s "$PGDATA/PG_VERSION" ] && [ -f "$PGDATA/global/pg_control" ]
}

directory_is_empty() {
  local entry
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ ! -e "$entry" ] && [ ! -L "$entry" ] || return 1
  done
}

# data_wipe: empties the data directory. Only for data under a sentinel, or for
# a standby's copy of what the primary holds. Tablespaces in this pod's volume go
# first: once the links to them are gone nothing leads there.
data_wipe() {
  local link target
  [ ! -L "$PGDATA" ] || return 1
  for link in "$PGDATA"/pg_tblspc/*; do
    target=$(readlink "$link") || continue
    wipe_tablespace "$target" || return 1
  done
  as_postgres mkdir -p "$PGDATA" && remove_tree "${PGDATA:?}"/* "$PGDATA"/.[!.]* "$PGDATA"/..?* &&
    as_postgres chmod 0700 "$PGDATA"
}

# wipe_tablespace DIRECTORY: only in this pod's volume. Elsewhere it may be a
# directory that the pods share.
wipe_tablespace() {
  case $1/ in
    */../*) ;;
    "$VOLUME"/*) remove_tree "$1"/PG_* ;;
  esac
}

# sentinel_set FILE [PHASE] / sentinel_clear FILE: marks the data directory as
# not to be used. Everything before the clearing is on disk before the mark goes.
sentinel_set() { printf '%s\n' "${2:-}" | install_file "$1" 0600 && sync "$VOLUME"; }
sentinel_clear() { sync_tree "$PGDATA" && rm -f "$1" && sync "$VOLUME"; }

# free_in_volume: in kB.
free_in_volume() { df -Pk "$VOLUME" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p'; }

# control FIELD: one value of pg_controldata.
control() {
  LC_ALL=C as_postgres pg_controldata -D "$PGDATA" 2>/dev/null | sed -n "s/^$1: *//p"
}

# check_major: postgres cannot read another major version's files, and tells it
# with a message that does not say what to do.
check_major() {
  local have image
  [ -s "$PGDATA/PG_VERSION" ] || return 0
  read_file "$PGDATA/PG_VERSION"
  have=${TEXT%%$'\n'*}
  image=$(postgres -V)
  image=${image##*) }
  image=${image%%[!0-9]*}
  [ "$have" = "$image" ] ||
    die "the data in this volume is of postgres $have and the image is postgres $image: set image to a postgres:$have image and apply again; nothing was changed"
}
