#!/usr/bin/env bash
# Brings up the cluster of tests/samples/cluster.voodu on real docker, or takes it down.
# Usage: tests/demo.sh up|down
# DEMO_SCOPE and DEMO_STATE take the place of the sample's scope and of .demo, for a second one beside it.
set -euo pipefail

cd "$(dirname "$0")/.."
sample=tests/samples/cluster.voodu
state=${DEMO_STATE:-$PWD/.demo}
file=$state/cluster.voodu
began=$EPOCHREALTIME
limit=90

elapsed() {
  local us=$((${EPOCHREALTIME/[.,]/} - ${began/[.,]/}))
  printf '%3d.%d s' $((us / 1000000)) $((us / 100000 % 10))
}
step() { printf '%s  %s\n' "$(elapsed)" "$*"; }
steps() { while IFS= read -r line; do step "$line"; done; }
fail() {
  printf 'demo: %s\n' "$@" >&2
  exit 1
}

# --- What the sample asks for -------------------------------------------------

read_sample() {
  read -r own_scope name < <(sed -n 's/^postgres "\([^"]*\)" "\([^"]*\)".*/\1 \2/p' "$sample")
  scope=${DEMO_SCOPE:-$own_scope}
  image=$(sed -n 's/^ *image *= *"\(.*\)"/\1/p' "$sample")
  replicas=$(sed -n 's/^ *replicas *= *\([0-9]*\).*/\1/p' "$sample")
  labels=(--filter "label=voodu.scope=$scope" --filter "label=voodu.name=$name")
}

write_file() {
  mkdir -p "$state"
  sed "s/^postgres \"$own_scope\"/postgres \"$scope\"/" "$sample" >"$file.new"
  mv "$file.new" "$file"
}

# The reader's own door to the demo: `.demo/vd apply -f …` and every other command.
write_vd() {
  cat >"$state/vd.new" <<EOF
#!/bin/sh
export VOODU_BACKUPS_ROOT='$state/backups'
exec '$tools/standin' vd --root '$state/voodu' --plugins '$PWD' -- "\$@"
EOF
  chmod 755 "$state/vd.new"
  mv "$state/vd.new" "$state/vd"
}

# --- Building -----------------------------------------------------------------

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

build() {
  local wanted found
  need make "apt-get install -y make"
  PATH=$PATH:$HOME/.cargo/bin
  need cargo "apt-get install -y cargo (Debian 13 or newer), elsewhere: curl -sSf https://sh.rustup.rs | sh"
  need cc "apt-get install -y gcc libc6-dev"
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(cargo --version | cut -d ' ' -f 2)
  printf '%s\n' "$wanted" "$found" | sort -VC ||
    fail "cargo $found is too old, $wanted is needed: curl -sSf https://sh.rustup.rs | sh"
  step "building the plugin"
  make -s --no-print-directory build
  step "building the stand-in for voodu's controller and CLI"
  cargo build --locked --package voodu-standin --bin standin --bin preview
  tools=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
}

# --- Whose pods these are -----------------------------------------------------

# The names of containers that carry the demo's names, ours or those of another voodu here.
pods_of() {
  local whose=$1 name binds
  docker ps -aq "${labels[@]}" | xargs -r docker inspect --format '{{.Name}} {{.HostConfig.Binds}}' |
    while read -r name binds; do
      case $binds in
        *"$state/"*) [ "$whose" != ours ] || echo "${name#/}" ;;
        *) [ "$whose" != others ] || echo "${name#/}" ;;
      esac
    done
}

volumes() { docker volume ls -q "${labels[@]}"; }

refuse_to_touch_others() {
  local others
  others=$(pods_of others | xargs)
  [ -z "$others" ] || fail "$others: not of this demo, so nothing was touched" \
    "remove that cluster, or run: make demo DEMO_SCOPE=another"
  if [ ! -e "$state/voodu/state.json" ] && [ -z "$(pods_of ours)" ]; then
    others=$(volumes | xargs)
    [ -z "$others" ] || fail "these volumes hold an earlier cluster of this name: nothing was touched" \
      "to throw that data away: docker volume rm $others"
  fi
}

# --- Up -----------------------------------------------------------------------

# An interrupted `docker run` leaves a container that was never started, and the platform takes any
# container for a pod.
mend_pods() {
  local pod
  for pod in $(docker ps -a "${labels[@]}" --filter status=created --format '{{.Names}}'); do
    step "$pod was never started: removing it"
    docker rm -f "$pod" >/dev/null
  done
  for pod in $(docker ps -a "${labels[@]}" --filter status=exited --format '{{.Names}}'); do
    step "$pod is stopped: starting it"
    docker start "$pod" >/dev/null
  done
}

sql() {
  local pod=$1
  # The pod's own environment knows its user, database and port.
  # shellcheck disable=SC2016
  timeout 5 docker exec "$pod" sh -c 'psql -XAtq -p "$PG_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "$1"' sh "$2" 2>/dev/null
}

# One line: role|timeline|bytes of WAL written or replayed. A standby that does not stream has no timeline.
ask() {
  sql "$1" "
    SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END,
      CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming')
           ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
      pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')"
}

# Tells of each pod once when it runs and once when it is what it should be.
declare -A running=() ready=()
notice_changes() {
  local pod role timeline rest
  for pod in $(docker ps "${labels[@]}" --format '{{.Names}}' | sort); do
    [ -n "${running[$pod]:-}" ] || step "$pod runs"
    running[$pod]=yes
    [ -z "${ready[$pod]:-}" ] || continue
    IFS='|' read -r role timeline rest < <(ask "$pod") || continue
    case $role in
      primary) step "$pod is the primary, on timeline $timeline" ;;
      standby)
        [ -n "$timeline" ] || continue
        step "$pod streams from the primary"
        ;;
    esac
    ready[$pod]=$role
  done
}

apply() {
  # The words of the CLI are shown at the end, the pods as they come.
  # A session of its own keeps the terminal's Ctrl-C from docker, which would hand it on to the pod.
  setsid "$state/vd" apply -f "$file" >"$state/apply.log" 2>&1 &
  applying=$!
  while kill -0 "$applying" 2>/dev/null; do
    notice_changes
    sleep 0.1
  done
  local status=0
  wait "$applying" || status=$?
  applying=
  steps <"$state/apply.log"
  [ "$status" -eq 0 ] || fail "vd apply failed"
}

wait_until_formed() {
  local deadline=$((SECONDS + limit)) pod
  while [ "${#ready[@]}" -lt "$replicas" ]; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      for pod in $(pods_of ours); do
        [ -n "${ready[$pod]:-}" ] || docker logs --tail 15 "$pod" 2>&1 | sed "s/^/$pod: /" >&2
      done
      fail "the cluster did not form in $limit s" "make demo tries again, make demo-down removes it"
    fi
    notice_changes
    sleep 0.1
  done
}

size() { numfmt --to=iec-i --suffix=B "$1"; }

table() {
  local format='  %-16s %-9s %-9s %-9s %s\n' pod role timeline position lag written=0
  local -A answers
  for pod in $(pods_of ours | sort); do
    answers[$pod]=$(ask "$pod" || true)
    case ${answers[$pod]} in primary*) written=${answers[$pod]##*|} ;; esac
  done
  echo
  # shellcheck disable=SC2059
  printf "$format" POD ROLE TIMELINE LAG 'FROM THIS MACHINE'
  for pod in $(printf '%s\n' "${!answers[@]}" | sort); do
    IFS='|' read -r role timeline position <<<"${answers[$pod]}"
    case $role in
      primary) lag=- ;;
      standby) lag=$(size $((written > position ? written - position : 0))) ;;
      *) role=silent timeline='' lag='' ;;
    esac
    # shellcheck disable=SC2059
    printf "$format" "$pod" "$role" "${timeline:--}" "${lag:--}" "$(docker port "$pod" | sed -n 's/.* -> \(127.*\)/\1/p' | head -n 1)"
  done
}

setting() { docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$1" | sed -n "s/^$2=//p" | tail -n 1; }

directions() {
  local pod primary=
  for pod in "${!ready[@]}"; do
    [ "${ready[$pod]}" != primary ] || primary=$pod
  done
  echo
  if [ -n "$primary" ]; then
    printf '  psql:  docker exec -it %s psql -p %s -U %s -d %s\n' "$primary" \
      "$(setting "$primary" PG_PORT)" "$(setting "$primary" POSTGRES_USER)" "$(setting "$primary" POSTGRES_DB)"
  fi
  printf '  vd:    %s apply -f %s\n' "$(short "$state/vd")" "$(short "$file")"
  printf '  down:  make demo-down%s\n' "${DEMO_SCOPE:+ DEMO_SCOPE=$DEMO_SCOPE}${DEMO_STATE:+ DEMO_STATE=$DEMO_STATE}"
}

short() { echo "${1#"$PWD"/}"; }

# Background jobs do not see the terminal's Ctrl-C. What docker was just asked for is let finish, so
# that the next run finds whole containers.
stop_applying() {
  local children child
  [ -n "${applying:-}" ] || return 0
  children=$(pgrep -P "$applying" || true)
  kill "$applying" 2>/dev/null || true
  for child in $children; do
    timeout 5 tail -s 0.1 --pid="$child" -f /dev/null || true
  done
}

interrupted() {
  trap '' INT TERM
  stop_applying
  echo
  echo "demo: interrupted: make demo goes on from here, make demo-down removes what is there"
  exit 130
}

show_only() {
  local scratch
  step "no docker here: this is what would be created"
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" EXIT
  sed "s/^postgres \"$own_scope\"/postgres \"$scope\"/" "$sample" >"$scratch/cluster.voodu"
  echo
  VOODU_BACKUPS_ROOT=$state/backups "$tools/preview" --root "$scratch/voodu" --plugins "$PWD" \
    "$scratch/cluster.voodu" | sed "s|$scratch|$state|g"
  echo
  echo "NOTHING WAS STARTED: there is no docker daemon here. The above is what a machine with docker would get."
}

# The second of two runs at once would find half of the first one's pods.
take_turn() {
  exec 8<"$sample"
  flock -n 8 || fail "another make demo or demo-down is at work: wait for it, or stop it"
}

up() {
  local status=0
  build
  bash tests/provision.sh | steps || status=$?
  if [ "$status" -eq 3 ]; then
    show_only
    return 0
  fi
  [ "$status" -eq 0 ] || fail "docker could not be prepared"
  case $image in
    postgres:15 | postgres:17 | postgres:18) bash tests/images/build.sh "${image#postgres:}" | steps ;;
  esac

  take_turn
  refuse_to_touch_others
  write_file
  write_vd
  trap interrupted INT TERM
  mend_pods
  step "vd apply -f $sample (the platform itself pauses 2 s between pods)"
  apply
  wait_until_formed
  trap - INT TERM
  step "every pod is in its role"
  table
  directions
}

# --- Down ---------------------------------------------------------------------

remove_state() {
  # Without root the pods' files can only be removed by a container.
  rm -rf "$state" 2>/dev/null ||
    docker run --rm --network none -v "$state:/demo" --entrypoint sh "$image" -c 'rm -rf /demo/* /demo/.[!.]*'
  rm -rf "$state"
}

down() {
  local pods others owned=
  [ ! -e "$state" ] || owned=yes
  if ! docker info >/dev/null 2>&1; then
    [ -z "$owned" ] || fail "docker does not answer, so what it holds cannot be removed: tests/provision.sh starts it"
    echo "demo: nothing to remove"
    return 0
  fi
  take_turn
  pods=$(pods_of ours)
  others=$(pods_of others | xargs)
  if [ -n "$pods" ]; then
    step "removing $(xargs <<<"$pods")"
    xargs docker rm -fv <<<"$pods" >/dev/null
    owned=yes
  fi
  if [ -n "$others" ]; then
    step "leaving $others and the volumes: not of this demo"
  elif [ -n "$owned" ] && [ -n "$(volumes)" ]; then
    step "removing $(volumes | xargs)"
    volumes | xargs docker volume rm >/dev/null
  fi
  [ -z "$owned" ] || step "removing $(short "$state")"
  remove_state
  [ -n "$owned" ] || echo "demo: nothing to remove"
}

read_sample
case "${1:-}" in
  up) up ;;
  down) down ;;
  *)
    echo 'usage: tests/demo.sh up|down' >&2
    exit 2
    ;;
esac
