# --- The data directory -----------------------------------------------------

# data_shape: leaves in SHAPE what the data directory looks like: empty, init
# or clone (such a step was interrupted), fresh (initialised, never used),
# standby, primary, or unknown.
data_shape() {
  local phase=''
  if [ -e "$INIT_SENTINEL" ]; then
    IFS= read -r phase <"$INIT_SENTINEL"
    SHAPE=init
    [ "$phase" != complete ] || SHAPE=fresh
  elif [ -e "$CLONE_SENTINEL" ] || [ -e "$OLDER_CLONE_SENTINEL" ]; then
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

directory_is_empty() {
  local entry
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ ! -e "$entry" ] && [ ! -L "$entry" ] || return 1
  done
}

# data_wipe: empties the data directory. Only for data under a sentinel, or for
# a standby's copy of what the primary holds.
data_wipe() {
  mkdir -p "$PGDATA" && rm -rf "${PGDATA:?}"/* "$PGDATA"/.[!.]* "$PGDATA"/..?* && own "$PGDATA" && chmod 0700 "$PGDATA"
}

# sentinel_set FILE [PHASE] / sentinel_clear FILE: marks the data directory as
# not to be used. Everything before the clearing is on disk before the mark goes.
sentinel_set() { printf '%s\n' "${2:-}" | install_file "$1" 0600 && sync "$VOLUME"; }
sentinel_clear() { sync "$PGDATA" && rm -f "$1" && sync "$VOLUME"; }

# control FIELD: one value of pg_controldata.
control() {
  LC_ALL=C as_postgres pg_controldata -D "$PGDATA" 2>/dev/null | sed -n "s/^$1: *//p"
}

# check_major: postgres cannot read another major version's files, and tells it
# with a message that does not say what to do.
check_major() {
  local have image
  [ -s "$PGDATA/PG_VERSION" ] || return 0
  IFS= read -r have <"$PGDATA/PG_VERSION"
  image=$(postgres -V)
  image=${image##*) }
  image=${image%%[!0-9]*}
  [ "$have" = "$image" ] ||
    die "the data in this volume is of postgres $have and the image is postgres $image: set image to a postgres:$have image and apply again; nothing was changed"
}
