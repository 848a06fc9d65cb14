#!/usr/bin/env bash
# Makes a docker daemon answer, and the tools that lint and tests use present.
# Usage: tests/provision.sh [--check]        --check only reports.
# Exit: 0 docker answers, 3 no docker can be had here, 2 wrong usage.
set -euo pipefail

# Commands, and their packages where the names differ. `docker top` of the daemon runs ps.
tools=(make shellcheck busybox curl wget debootstrap ps:procps)
log=/var/log/voodu-postgres-dockerd.log
shims=/run/voodu-postgres-provision

say() { printf 'provision: %s\n' "$*"; }
no_docker() {
  printf 'provision: no docker: %s\n' "$*" >&2
  exit 3
}

answers() { timeout 10 docker info >/dev/null 2>&1; }
debian_root() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; }

missing_tools() {
  local tool
  for tool in "${tools[@]}"; do
    command -v "${tool%:*}" >/dev/null || echo "${tool#*:}"
  done
}

# What a daemon and its client still lack here, as package names.
missing_packages() {
  missing_tools
  if ! answers && ! command -v dockerd >/dev/null; then
    echo docker.io
    # Without the parser a kernel with AppArmor refuses to start any container.
    if grep -qs Y /sys/module/apparmor/parameters/enabled && ! command -v apparmor_parser >/dev/null; then
      echo apparmor
    fi
  fi
  # Newer Debian has the client in a package of its own.
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
    echo docker-cli
  fi
}

install_packages() {
  local packages=("$@") wait_for_lock=(-o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
  say "installing ${packages[*]} with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get "${wait_for_lock[@]}" update -qq || say "apt-get update reported errors; going on with what it has"
  apt-get "${wait_for_lock[@]}" install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

# Whether the process that a pid file names lives and is that program.
runs() {
  local pid_file=$1 program=$2 pid
  [ -s "$pid_file" ] && pid=$(tr -dc 0-9 <"$pid_file") && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$program" ]
}

# dockerd trusts any living process with the recorded number, and any containerd socket that exists.
clear_leftovers() {
  local socket=/run/containerd/containerd.sock
  runs /run/docker.pid dockerd || rm -f /run/docker.pid
  runs /run/docker/containerd/containerd.pid containerd || rm -f /run/docker/containerd/containerd.pid
  if [ -S "$socket" ] && ! grep -q "run/containerd/containerd.sock$" /proc/net/unix; then
    rm -f "$socket"
  fi
}

# A system without an init that mounts them has no control groups yet.
mount_control_groups() {
  [ ! -d /run/systemd/system ] || return 0
  if ! grep -q ' /sys/fs/cgroup' /proc/mounts; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup || say "control groups could not be mounted"
  fi
}

# Kernels without nf_tables need the older iptables; only the daemon gets to see it.
daemon_path() {
  local name
  if command -v iptables-legacy >/dev/null && ! iptables -w 5 -nL >/dev/null 2>&1 && iptables-legacy -w 5 -nL >/dev/null 2>&1; then
    mkdir -p "$shims"
    for name in iptables ip6tables; do
      ln -sf "$(command -v "$name-legacy")" "$shims/$name"
    done
    echo "$shims:$PATH"
  else
    echo "$PATH"
  fi
}

wait_until_ready() {
  local deadline=$((SECONDS + $1))
  until answers; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    # A daemon that gave up will not answer later.
    [ -z "${daemon:-}" ] || kill -0 "$daemon" 2>/dev/null || return 1
    sleep 0.3
  done
}

# A lock in one of the caller's open files would be held for as long as the daemon lives.
close_inherited() {
  local descriptor
  for descriptor in /proc/"$BASHPID"/fd/*; do
    descriptor=${descriptor##*/}
    [ "$descriptor" -le 2 ] || exec {descriptor}>&-
  done
}

start_daemon() {
  if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
    say "starting docker.service"
    systemctl start docker.service || true
  elif runs /run/docker.pid dockerd; then
    say "waiting for the dockerd that is starting"
  else
    say "starting dockerd, log in $log"
    clear_leftovers
    mount_control_groups
    (
      close_inherited
      PATH=$(daemon_path) exec setsid dockerd >"$log" 2>&1 </dev/null
    ) &
    daemon=$!
  fi
  wait_until_ready 60
}

report() {
  local absent
  absent=$(missing_tools | xargs)
  [ -z "$absent" ] || say "missing tools: $absent"
  if answers; then
    say "docker answers ($(docker version --format 'server {{.Server.Version}}'))"
  elif debian_root; then
    no_docker "no daemon answers; tests/provision.sh can install and start one here"
  else
    no_docker "no daemon answers; start one, or run this as root on Debian or Ubuntu"
  fi
}

provision() {
  local packages
  # Two runs at once must not start two daemons.
  if debian_root; then
    exec 9>/run/voodu-postgres-provision.lock
    flock 9
  fi
  if ! answers; then
    case ${DOCKER_HOST:-} in
      '' | unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
      *) no_docker "DOCKER_HOST=$DOCKER_HOST does not answer" ;;
    esac
    debian_root || no_docker "no daemon answers; start one, or run this as root on Debian or Ubuntu"
  fi
  if debian_root; then
    # Twice: which packages exist is known only after the first apt-get update.
    for _ in 1 2; do
      mapfile -t packages < <(missing_packages)
      [ ${#packages[@]} -gt 0 ] || break
      install_packages "${packages[@]}" || say "apt-get could not install ${packages[*]}"
    done
  fi
  if ! answers; then
    command -v dockerd >/dev/null || no_docker "dockerd could not be installed"
    if ! start_daemon; then
      tail -n 20 "$log" >&2 2>/dev/null || true
      no_docker "dockerd does not answer"
    fi
  fi
  report
}

case "${1:-}" in
  '') provision ;;
  --check) report ;;
  *)
    echo 'usage: tests/provision.sh [--check]' >&2
    exit 2
    ;;
esac
