# --- The WAL, as pg_waldump prints it ----------------------------------------

# newest_wal DATA: the timeline in the name of the newest WAL file, as 8 hex digits.
newest_wal() {
  local file newest=''
  for file in "$1"/pg_wal/*; do
    file=${file##*/}
    [[ $file =~ ^[0123456789ABCDEF]{24}$ ]] || continue
    [[ ${file:0:8} < $newest ]] || newest=${file:0:8}
  done
  printf '%s' "$newest"
}

# sum_wal START: reads what pg_waldump prints, and prints the position where the last
# record ends, in bytes since the beginning of all WAL, and the number of transactions
# that were committed or prepared. Without any record that position is START.
sum_wal() {
  LC_ALL=C awk -v start="$1" '
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
    END { printf "%.0f %d\n", (end > start) ? end : start, commits }'
}
