# What a pod's WAL holds beyond the place where its history and the primary's diverge.
# Runs beside the pod's volume, which it only reads, as the postgres user.
# Arguments: the data directory; the primary's history as pairs of a timeline and the
# location where the primary left it, the last pair its own timeline and how far it is.
# Prints the bytes and the commits, or says why it cannot know. What it prints then
# counts only if the primary has the same WAL at the place of a second line: a file of
# pg_wal, an offset, a length and the md5 of those bytes. One timeline number can stand
# for two histories, in clusters that did not keep the highest one in their record.
data=$1
shift

if [ ! -s "$data/PG_VERSION" ]; then
  echo "0 0"
  exit 0
fi

size=$(control 'Bytes per WAL segment')

# segment POSITION: the part of a WAL file's name that follows the timeline.
segment() { printf '%08X%08X' $(($1 / 4294967296)) $(($1 % 4294967296 / size)); }

# readable TIMELINE POSITION: whether a record begins in that segment at all.
readable() { pg_waldump -n 1 -p "$data/pg_wal" -t "$1" -s "$(location "$2")" >/dev/null 2>&1; }

# count TIMELINE FROM [TO]: leaves the bytes and the commits of that part in bytes and
# commits. pg_waldump ends with an error where the WAL ends.
count() {
  local end
  read -r end commits < <(
    pg_waldump -p "$data/pg_wal" -t "$1" -s "$(location "$2")" ${3:+-e "$(location "$3")"} 2>/dev/null | sum_wal "$2"
  )
  [[ $end =~ ^[0123456789]+$ && $commits =~ ^[0123456789]+$ ]] || unknown "its WAL cannot be counted"
  bytes=$((end - $2))
}

newest=$(newest_wal "$data")
[ -n "$newest" ] || unknown "there is no WAL in it"
timeline=$((16#$newest))

# The pod's history in the same form; the end of its own timeline is what is looked for.
read_history "$newest"
mine=(${history[@]+"${history[@]}"} "$timeline" end)

# The last timeline that both went through, and how far both did. From there on it is the
# pod's own: its history from the pair AT on.
common='' branch=0 at=0
while [ "$at" -lt "${#mine[@]}" ] && [ "$at" -lt $# ]; do
  theirs=("${@:at+1:2}")
  [ "${mine[at]}" = "${theirs[0]}" ] || break
  common=${mine[at]} branch=$(position "${theirs[1]}")
  if [ "${mine[at + 1]}" != "${theirs[1]}" ]; then
    if [ "${mine[at + 1]}" != end ] && [ "$(position "${mine[at + 1]}")" -lt "$branch" ]; then
      branch=$(position "${mine[at + 1]}")
    fi
    break
  fi
  at=$((at + 2))
done
[ -n "$common" ] || unknown "its WAL is of timeline $timeline, and it has no timeline in common with the primary"

total=0 all=0 start=$branch
while [ "${mine[at + 1]}" != end ]; do
  left=$(position "${mine[at + 1]}")
  if [ "$left" -gt "$start" ]; then
    count "${mine[at]}" "$start" "$left"
    # Records begin at multiples of 8 bytes, and behind the header of a page.
    [ $((start + bytes + 64)) -gt "$left" ] || unknown "a part of its WAL cannot be read"
    total=$((total + left - start)) all=$((all + commits)) start=$left
  fi
  at=$((at + 2))
done
count "$timeline" "$start"
end=$((start + bytes)) total=$((total + bytes)) all=$((all + commits))

# What cannot be read is not counted, so it must not be there.
last=$(position "$(control 'Latest checkpoint location')")
if [ "$bytes" = 0 ]; then
  # The pod is not as far as that place: its WAL ends before, in one piece.
  if [ "$total" != 0 ] || [ "$last" -gt "$branch" ]; then
    unknown "a part of its WAL cannot be read"
  fi
  count "$timeline" "$last" "$branch"
  end=$((last + bytes))
  if [ "$bytes" = 0 ] || { [ $((end / size)) != $((branch / size)) ] && readable "$timeline" $((branch / size * size)); }; then
    unknown "a part of its WAL cannot be read"
  fi
fi
if [ "$last" -gt "$end" ] || readable "$timeline" $(((end / size + 1) * size)); then
  unknown "a part of its WAL cannot be read"
fi

echo "$total $all"
# The first timeline belongs to one history only: another one is another database.
[ "$common" != 1 ] || exit 0
proof=$end
[ "$end" -le "$branch" ] || proof=$branch
page=$(((proof - 1) / 8192 * 8192)) file=$(segment $((proof - 1)))
name=$(printf '%08X' "$common")$file
[ -r "$data/pg_wal/$name" ] || name=$newest$file
[ -r "$data/pg_wal/$name" ] || unknown "a part of its WAL cannot be read"
sum=$(dd if="$data/pg_wal/$name" bs=8192 skip=$((page % size / 8192)) count=1 2>/dev/null | head -c $((proof - page)) | md5sum)
echo "$(printf '%08X' "$common")$file $((page % size)) $((proof - page)) ${sum%% *}"
