# --- The first boot of a cluster --------------------------------------------

# act_first_boot: initialises an empty volume through the image's own entrypoint
# (users, password, database, init scripts). No client can connect over the
# network before the sentinel is gone, so nothing that anybody was told to be
# committed lies in a directory that a later boot wipes.
act_first_boot() {
  say "first boot: initialising an empty volume"
  first_boot_settings
  until initialise; do
    [ "${#FIRST_ARGS[@]}" != 0 ] ||
      die "the first initialisation failed with exit code $CODE, see above; it starts over at the next boot"
    say "the first initialisation failed with exit code $CODE, see above; trying it without the block's settings"
    FIRST_ARGS=()
  done
  stop_server
  as_postgres rm -f "$FIRST_CONF"
  { wire_settings && write_runtime_conf && sync "$PGDATA" && sentinel_set "$INIT_SENTINEL" complete; } ||
    die "cannot write the settings in $PGDATA"
}

FIRST_CONF=$VOLUME/.voodu-first-boot.conf

# first_boot_settings: the temporary server that runs the init scripts gets the
# mounted settings as every later one does: an extension may have to be preloaded.
# The file that initdb writes does not know of them yet, so another one reads
# both. No standby confirms a commit yet, the scripts write, and an archive_command
# that hangs would hold up the stop of this server. Leaves the options in FIRST_ARGS.
first_boot_settings() {
  FIRST_ARGS=()
  printf "include_if_exists '%s'\ninclude_dir '%s'\n" "$PGDATA/postgresql.conf" "$CONF_DIRECTORY" |
    install_file "$FIRST_CONF" 0600 || die "cannot write in $VOLUME"
  FIRST_ARGS=(-c "config_file=$FIRST_CONF" -c synchronous_standby_names= -c default_transaction_read_only=off -c archive_mode=off)
}

# initialise: returns 1 when the image's entrypoint did not come to its end.
initialise() {
  { sentinel_set "$INIT_SENTINEL" && data_wipe; } || die "cannot prepare $PGDATA"
  VOODU_SESSION_OPTIONS=$(options_of superuser) docker-entrypoint.sh postgres -c listen_addresses= \
    -c password_encryption=scram-sha-256 "${FIRST_ARGS[@]}" &
  CHILD=$!
  # The image's entrypoint ends by becoming the server, with the same process
  # id; the temporary server of its init scripts has another one.
  until [ "$(postmaster_pid)" = "$CHILD" ]; do
    tick
    if ! child_runs; then
      child_ended
      [ -z "$STOPPING" ] || exit 143
      return 1
    fi
    [ -z "$STOPPING" ] || exit 143
  done
}

# act_finish_first_boot: makes the new database the cluster's, unless pods show
# that hold the data of a cluster whose record was lost.
act_finish_first_boot() {
  ask_peers
  if [ -n "$PEERS_UP" ] || [ "${V_EPOCH:-1}" != 1 ]; then
    data_wipe && rm -f "$INIT_SENTINEL"
    refuse_empty_volume
  fi
  if [ "$V_RECORD" = none ]; then
    record_create || retry "could not write the first record"
    return 0
  fi
  { record_keep && sentinel_clear "$INIT_SENTINEL"; } || die "cannot finish the first initialisation"
}

# refuse_empty_volume: says how to go on without this pod's data, and how to
# start over.
refuse_empty_volume() {
  die "this pod's volume is empty, but cluster $CLUSTER_REF exists and this pod is its primary: an empty database must not replace the data of the standbys." \
    "To go on with the data of another pod: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force." \
    "To start over without any data: vd delete $CLUSTER_REF --prune, remove the file .topology in the cluster's backups directory on the host, vd apply"
}
act_refuse_empty() { refuse_empty_volume; }

act_refuse_half_copy() {
  die "this pod is the primary of $CLUSTER_REF, but its volume holds a copy that was interrupted, which cannot be used." \
    "To go on with another pod: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force"
}

# postmaster_pid: the process that runs on the data directory, if any.
postmaster_pid() {
  read_file "$PGDATA/postmaster.pid"
  printf '%s' "${TEXT%%$'\n'*}"
}
