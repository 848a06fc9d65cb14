# What the scripts beside a pod's volume share. They only read it, as the postgres user.
set -u

unknown() {
  echo "$1" >&2
  exit 1
}

# position LOCATION / location POSITION: bytes since the beginning of all WAL, and
# back.
position() { echo $((16#${1%/*} * 4294967296 + 16#${1#*/})); }
location() { printf '%X/%X' $(($1 / 4294967296)) $(($1 % 4294967296)); }

control() { LC_ALL=C pg_controldata -D "$data" | sed -n "s/^$1: *//p"; }

# read_history TIMELINE: leaves in history the timelines that came before that one, each
# followed by the location where it was left. TIMELINE is given as 8 hex digits.
read_history() {
  local number left
  history=()
  [ "$1" != 00000001 ] || return 0
  [ -r "$data/pg_wal/$1.history" ] || unknown "its history of timeline $((16#$1)) is missing"
  while read -r number left _; do
    [[ $number =~ ^[0123456789]+$ && $left =~ ^[0123456789ABCDEF]+/[0123456789ABCDEF]+$ ]] && history+=("$number" "$left")
  done <"$data/pg_wal/$1.history"
}
