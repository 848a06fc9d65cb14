#!/usr/bin/env bash
# What a pod's WAL holds beyond the place where the primary's history branched
# off. Runs beside the pod's volume, which it only reads, as the postgres user.
# Arguments: the data directory, the primary's timeline, and the timelines that
# it went through, each followed by the place where it left them.
# Prints the bytes and the commits, or says why it cannot know.
set -u

data=$1 current=$2
shift 2

if [ ! -s "$data/PG_VERSION" ]; then
  echo "0 0"
  exit 0
fi

newest=''
for file in "$data"/pg_wal/*; do
  name=${file##*/}
  [[ $name =~ ^[0123456789ABCDEF]{24}$ ]] || continue
  [[ ${name:0:8} < $newest ]] || newest=${name:0:8}
done
if [ -z "$newest" ]; then
  echo "there is no WAL in it" >&2
  exit 1
fi
timeline=$((16#$newest))

if [ "$timeline" = "$current" ]; then
  echo "0 0"
  exit 0
fi

branch=''
while [ $# -gt 1 ]; do
  [ "$1" != "$timeline" ] || branch=$2
  shift 2
done
if [ -z "$branch" ]; then
  echo "its WAL is of timeline $timeline, which the primary never was on" >&2
  exit 1
fi

# position LOCATION / location POSITION: bytes since the beginning of all WAL, and
# back.
position() { echo $((16#${1%/*} * 4294967296 + 16#${1#*/})); }
location() { printf '%X/%X' $(($1 / 4294967296)) $(($1 % 4294967296)); }

control() { LC_ALL=C pg_controldata -D "$data" | sed -n "s/^$1: *//p"; }

# readable POSITION: whether a record begins in that segment at all.
readable() { pg_waldump -n 1 -p "$data/pg_wal" -t "$timeline" -s "$(location "$1")" >/dev/null 2>&1; }

size=$(control 'Bytes per WAL segment')
start=$(position "$branch")
segment=$((start / size * size))

# It ends with an error where the WAL ends.
read -r bytes commits < <(
  pg_waldump -p "$data/pg_wal" -t "$timeline" -s "$branch" 2>/dev/null | LC_ALL=C awk -v start="$start" '
    function number(hex, i, n) {
      n = 0
      for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
      return n
    }
    # rmgr: Transaction len (rec/tot):     34/    34, tx:        743, lsn: 0/03000148, prev 0/03000110, desc: COMMIT 2026-…
    match($0, /len \(rec\/tot\): *[0-9]+\/ *[0-9]+/) {
      total = substr($0, RSTART, RLENGTH)
      sub(/.*\/ */, "", total)
      if (!match($0, /lsn: [0-9A-F]+\/[0-9A-F]+/)) next
      split(substr($0, RSTART + 5, RLENGTH - 5), halves, "/")
      end = number(halves[1]) * 4294967296 + number(halves[2]) + total
    }
    /rmgr: Transaction .* desc: (COMMIT|PREPARE)/ { commits++ }
    END { printf "%.0f %d\n", end ? end - start : 0, commits }'
)

# What cannot be read is not counted, so it must not be there: neither at the place
# itself, nor in the segment after the end.
end=$((start + bytes))
if { [ "$bytes" = 0 ] && ! readable "$segment"; } || readable $(((end / size + 1) * size)) ||
  [ "$(position "$(control 'Latest checkpoint location')")" -gt "$end" ]; then
  echo "a part of its WAL cannot be read" >&2
  exit 1
fi
echo "$bytes $commits"
