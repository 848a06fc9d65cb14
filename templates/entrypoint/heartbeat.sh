# --- A sign of life ----------------------------------------------------------
# About every ten seconds, wherever the supervisor waits, this pod replaces a
# small file in the backups directory. It tells the plugin that process 1 acts on
# the record, and that it acts on the record in that very directory. The time in
# it is the host's uptime, because a clock can be set. It need not outlive a crash
# of the host, so nothing is synced.

HEARTBEAT=$BACKUPS/.pod-$ORDINAL
BEATER='' SKIPPED=0
# In thirtieths of a second; the first one comes at once.
SINCE_BEAT=300
IFS= read -r BOOT_ID </proc/sys/kernel/random/boot_id

# beat THIRTIETHS: that much time has passed.
beat() {
  SINCE_BEAT=$((SINCE_BEAT + $1))
  [ "$SINCE_BEAT" -lt 300 ] || leave_heartbeat
}

# leave_heartbeat: in the background, so that a disk that hangs holds nothing up. On a full
# disk it goes into the file that is there, which has its block already.
leave_heartbeat() {
  local role=none text
  SINCE_BEAT=0
  if [ -n "$BEATER" ] && kill -0 "$BEATER" 2>/dev/null && [ "$SKIPPED" -lt 6 ]; then
    SKIPPED=$((SKIPPED + 1))
    return
  fi
  [ -z "$CHILD" ] || role=${ROLE:-none}
  read_uptime
  text="format=1"$'\n'"cluster=${V_CLUSTER:-$ENV_CLUSTER}"$'\n'"ordinal=$ORDINAL"$'\n'"boot=$BOOT_ID"$'\n'
  text+="uptime=$((UPTIME / 100))"$'\n'"epoch=${V_EPOCH:-0}"$'\n'"role=$role"$'\n'
  # shellcheck disable=SC2016 # The inner shell expands it.
  "${DROP[@]}" sh -c 'set -C
    [ ! -L "$1" ] || rm -f "$1"
    rm -f "$1.new" && printf %s "$2" >"$1.new" && mv -fT "$1.new" "$1" && exit
    rm -f "$1.new"
    [ -f "$1" ] && printf %s "$2" | dd of="$1" conv=notrunc && dd if=/dev/null of="$1" bs=1 seek="${#2}"' sh \
    "$HEARTBEAT" "$text" 2>/dev/null &
  BEATER=$! SKIPPED=0
}
