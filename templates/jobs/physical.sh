# --- Physical backups --------------------------------------------------------
# A tar of base.tar, pg_wal.tar and backup_manifest, as pg_basebackup writes them.

# The plugin itself, which reads tars.
PLUGIN=/job/voodu-postgres

# watch WHAT: waits for what was started, with a line every ten seconds. Leaves its
# exit code in CODE.
watch() {
  local child=${CHILDREN[0]} next=$(($(elapsed) + 10))
  while kill -0 "$child" 2>/dev/null; do
    pause 0.03
    if [ "$(elapsed)" -ge "$next" ]; then
      say "[$(elapsed)s] $1"
      next=$(($(elapsed) + 10))
    fi
  done
  CODE=0
  finish || CODE=$?
}

# check_tar NAME: reads the backup in INPUT, which is open, to its end, and holds
# every file in it against the checksums of its manifest. Leaves in MAJOR the
# version that it is of, and in CHECKED whether all of it was checked.
check_tar() {
  start "$PLUGIN" job check-tar --file "$INPUT" >"$PROBLEMS"
  watch "reading $1"
  [ "$CODE" = 0 ] || refuse "$1 cannot be used: $(tail -n 1 "$PROBLEMS")"
  read -r MAJOR CHECKED <"$PROBLEMS"
}

# sum: of the backup in INPUT, to SUM.
sum() {
  start sha256sum "$INPUT" >"$PROBLEMS"
  watch "reading $1"
  SUM=$(head -c 64 "$PROBLEMS")
}
