# What data a pod's volume holds, whether or not its server runs. Argument: the mounted
# volume. Prints nothing where there are no data that a server could be started on, and
# otherwise `standby` or `primary`, the timeline of the newest WAL and the location where
# its last readable record ends; or says why it cannot know.
volume=$1 data=$1/pgdata

for name in before-restore unpacked-complete beside-complete replaced; do
  [ ! -e "$volume/.voodu-$name" ] || unknown "a restore or a copy was interrupted in it"
done
for name in .voodu-init .voodu-clone .voodu-bootstrap-incomplete; do
  [ ! -e "$volume/$name" ] || exit 0
done
[ -d "$data" ] && [ -n "$(ls -A "$data")" ] || exit 0
if [ ! -s "$data/PG_VERSION" ] || [ ! -f "$data/global/pg_control" ]; then
  unknown "it is not empty and holds no complete database"
fi

shape=primary
if [ -e "$data/standby.signal" ] || [ -e "$data/recovery.signal" ] || [ -e "$volume/.voodu-recovering" ]; then
  shape=standby
fi

newest=$(newest_wal "$data")
[ -n "$newest" ] || unknown "there is no WAL in it"
start=$(position "$(control 'Latest checkpoint location')") switched=0
# The last checkpoint can still be of a timeline before.
read_history "$newest"
[ "${#history[@]}" = 0 ] || switched=$(position "${history[-1]}")
[ "$switched" -le "$start" ] || start=$switched
read -r end _ < <(pg_waldump -p "$data/pg_wal" -t "$((16#$newest))" -s "$(location "$start")" 2>/dev/null | sum_wal "$start")
# The record of the checkpoint is there at least.
if ! [[ $end =~ ^[0123456789]+$ ]] || { [ "$end" = "$start" ] && [ "$start" != "$switched" ]; }; then
  unknown "its WAL cannot be read"
fi
echo "$shape $((16#$newest)) $(location "$end")"
