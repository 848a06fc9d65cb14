# shellcheck shell=bash
# shellcheck disable=SC2154 # Sourced by tests/bench.sh, which sets them.
# The operator's commands on a cluster that runs, each as an operator waits for it.

command_runs=${BENCH_COMMAND_RUNS:-10}

# vd_on SCOPE WORD...: the CLI in front of the cluster of that cold start.
vd_on() {
  local scope=$1
  shift
  VOODU_BACKUPS_ROOT=$work/$scope/backups "$tools/standin" vd --root "$work/$scope/voodu" --plugins "$PWD" -- "$@"
}

# timed_command SCOPE CODE WORD...: median and longest time in seconds; the exit code must be CODE.
timed_command() {
  local scope=$1 code=$2 begin end status
  shift 2
  for _ in $(seq "$command_runs"); do
    status=0
    begin=$(now)
    vd_on "$scope" "$@" >"$work/command.log" 2>&1 </dev/null || status=$?
    end=$(now)
    if [ "$status" -ne "$code" ]; then
      echo "vd $* ended with $status" >&2
      cat "$work/command.log" >&2
      return 1
    fi
    calc "$end - $begin" 3
    echo
  done | sort -n >"$work/command.times" || return 1
  awk '{ v[NR] = $1 } END { printf "%.2f (%.2f) s", v[int((NR + 1) / 2)], v[NR] }' "$work/command.times"
}

# What a rotation must not touch: the standbys' connections, and the pods' starts.
connections_of() {
  # shellcheck disable=SC2016
  docker exec "$1-db.0" sh -c 'psql -XAtq -p "$PG_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c \
    "SELECT application_name, pid, backend_start FROM pg_stat_replication ORDER BY 1"'
}
starts_of() { docker inspect --format '{{.Id}} {{.State.StartedAt}}' "$1-db.0" "$1-db.1" "$1-db.2"; }
changed_lines() { diff <(echo "$1") <(echo "$2") | grep -c '^<' || true; }

# An application that costs nothing when it is linked: a job does not run by itself.
apply_job() {
  printf 'job "%s" "app" {\n  image = "postgres:%s"\n}\n' "$1" "$(major)" >"$work/$1/app.voodu"
  vd_on "$1" apply -f "$work/$1/app.voodu" >"$work/command.log" 2>&1 || { cat "$work/command.log" >&2; return 1; }
}

measure_commands() {
  local scope=$1 db=$1/db app=$1/app streams starts
  say "commands on $(replicas) healthy pods, through the CLI ($command_runs runs: median, longest)"
  apply_job "$scope"
  figure "info" "$(timed_command "$scope" 0 pg:info "$db")" "<= 0.70 s"
  figure "info --check" "$(timed_command "$scope" 0 pg:info "$db" --check)" "<= 0.70 s"
  figure "link --reads" "$(timed_command "$scope" 0 pg:link "$db" "$app" --reads)" "<= 1.0 s"
  figure "psql -c 'SELECT 1'" "$(timed_command "$scope" 0 pg:psql "$db" -c 'SELECT 1')" "<= 1.0 s"
  figure "expose (refused: several pods)" "$(timed_command "$scope" 1 pg:expose "$db")" "<= 1.0 s"
  figure "unexpose (nothing to do)" "$(timed_command "$scope" 0 pg:unexpose "$db")" "<= 1.0 s"
  figure "help" "$(timed_command "$scope" 0 pg:help)" "<= 1.0 s"

  streams=$(connections_of "$scope") starts=$(starts_of "$scope")
  figure "new-password --no-restart" "$(timed_command "$scope" 0 pg:new-password "$db" --no-restart)" "<= 1.0 s"
  figure "new-password --replication" "$(timed_command "$scope" 0 pg:new-password "$db" --replication)" "<= 1.0 s"
  figure "standbys interrupted by these rotations" "$(changed_lines "$streams" "$(connections_of "$scope")")" "0"
  figure "pods restarted by them" "$(changed_lines "$starts" "$(starts_of "$scope")")" "0"
  figure "unlink" "$(timed_command "$scope" 0 pg:unlink "$db" "$app")" "<= 1.0 s"

  say "the same with pod 2 paused"
  docker pause "$scope-db.2" >/dev/null
  figure "info" "$(timed_command "$scope" 0 pg:info "$db")" "<= 4.0 s"
  figure "link --reads" "$(timed_command "$scope" 0 pg:link "$db" "$app" --reads)" "<= 4.0 s"
  figure "psql -c 'SELECT 1'" "$(timed_command "$scope" 0 pg:psql "$db" -c 'SELECT 1')" "<= 4.0 s"
  figure "new-password --no-restart" "$(timed_command "$scope" 0 pg:new-password "$db" --no-restart)" "<= 4.0 s"
  figure "new-password --replication" "$(timed_command "$scope" 0 pg:new-password "$db" --replication)" "<= 4.0 s"
  docker unpause "$scope-db.2" >/dev/null
  say "and with the server of pod 1 hanging (SIGSTOP)"
  signal_server "$scope-db.1" STOP
  figure "info" "$(timed_command "$scope" 0 pg:info "$db")" "<= 4.0 s"
  signal_server "$scope-db.1" CONT
}

# signal_server POD NAME: every postgres process of a pod.
signal_server() {
  docker top "$1" -eo pid,comm | awk '$2 == "postgres" { print $1 }' | xargs kill "-$2"
}
