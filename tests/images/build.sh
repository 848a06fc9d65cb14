#!/usr/bin/env bash
# Makes postgres:<major> available to the local docker daemon: the real image when a registry answers,
# otherwise one built from Debian packages that behaves like it.
# Usage: tests/images/build.sh <major>...        VOODU_IMAGES=build skips the registry.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
scratch=/var/tmp/voodu-postgres-image
label=voodu-postgres.test-image
# Raise it when the Debian tree below changes, so that existing bases are rebuilt.
base_version=1

say() { printf 'images: %s\n' "$*"; }
fail() {
  printf 'images: %s\n' "$*" >&2
  exit 1
}

suite_of() {
  case $1 in
    15) echo bookworm ;;
    17) echo trixie ;;
    18) echo forky ;;
    *) return 1 ;;
  esac
}

recipe() { cat "$here/Dockerfile" "$here/docker-entrypoint.sh" <(echo "$base_version") | sha256sum | cut -c1-12; }

# An image without our label is the real one: it is never replaced.
present() {
  local made_from
  made_from=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "postgres:$1" 2>/dev/null) || return 1
  [ -z "$made_from" ] || [ "$made_from" = "$(recipe)" ]
}

pulled() {
  [ "${VOODU_IMAGES:-}" != build ] || return 1
  # Asking first keeps machines that swallow packets from waiting for the daemon's own timeout.
  timeout 5 docker manifest inspect "postgres:$1" >/dev/null 2>&1 || return 1
  say "pulling postgres:$1"
  timeout 300 docker pull --quiet "postgres:$1"
}

# The mirror this machine installs from; any other system gets Debian's default.
mirror() {
  local uri='' id='' codename=''
  if [ -r /etc/os-release ]; then
    # shellcheck source=/dev/null
    id=$(. /etc/os-release && echo "${ID:-}")
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  fi
  if [ "$id" = debian ]; then
    # shellcheck disable=SC2016 # apt fills these in
    uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
      awk -v codename="$codename" '$1 ~ /^https?:/ && $2 == codename && $3 == "main" { sub("/$", "", $1); print $1; exit }')
  fi
  echo "${uri:-http://deb.debian.org/debian}"
}

unmount_below() {
  local dir
  awk -v top="$1/" 'index($2, top) == 1 { print $2 }' /proc/mounts | sort -r | while read -r dir; do
    umount -l "$dir"
  done
}

discard() {
  unmount_below "$1"
  rm -rf --one-file-system "$1"
}

install_debootstrap() {
  [ "$(id -u)" = 0 ] || fail "building an image from Debian packages needs root (debootstrap)"
  if ! command -v debootstrap >/dev/null || [ ! -r /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    command -v apt-get >/dev/null || fail "debootstrap is missing: install it with your package manager"
    say "installing debootstrap"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring >/dev/null
  fi
}

# A Debian tree with the server in it, installed here and not in the Dockerfile: containers may have no network.
make_tree() {
  local major=$1 suite=$2 tree=$3 mirror script
  mirror=$(mirror)
  script=/usr/share/debootstrap/scripts/$suite
  # Suites younger than the installed debootstrap are laid out like sid.
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$tree" "$mirror" "$script"

  # What is never read in a test only makes the import slower. Without its library, JIT is silently off.
  cat >"$tree/etc/dpkg/dpkg.cfg.d/small" <<'CONF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/lib/*/libLLVM*
path-exclude=/usr/lib/*/libz3*
path-exclude=/usr/lib/llvm*
path-exclude=/usr/lib/postgresql/*/lib/llvmjit*
path-exclude=/usr/lib/postgresql/*/lib/bitcode/*
CONF
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
  chmod 755 "$tree/usr/sbin/policy-rc.d"
  mkdir -p "$tree/etc/postgresql-common"
  echo 'create_main_cluster = false' >"$tree/etc/postgresql-common/createcluster.conf"
  # An https mirror may be signed by an authority that only this machine knows.
  if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
  fi
  # Suites that are not released state a week's validity; a mirror may be a frozen copy. Signatures are checked.
  echo 'Acquire::Check-Valid-Until "false";' >"$tree/etc/apt/apt.conf.d/frozen"
  apt-config dump | grep -E '^Acquire::https?::Proxy' >"$tree/etc/apt/apt.conf.d/proxy" || true
  cp /etc/resolv.conf "$tree/etc/resolv.conf"
  mount -t proc proc "$tree/proc"

  chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    MAJOR="$major" sh -eu <<'INSIDE'
# The ids of the official image, before the package picks its own.
groupadd -r -g 999 postgres
useradd -r -g postgres -u 999 -d /var/lib/postgresql -s /bin/bash postgres
apt-get update -qq
apt-get install -y -qq --no-install-recommends "postgresql-$MAJOR" gosu xz-utils zstd
localedef -i en_US -f UTF-8 en_US.UTF-8
sed -i "s/^#\?listen_addresses = .*/listen_addresses = '*'/" "/usr/share/postgresql/$MAJOR/postgresql.conf.sample"
mkdir -p /docker-entrypoint-initdb.d
install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data
install -d -o postgres -g postgres -m 3777 /var/run/postgresql
INSIDE

  unmount_below "$tree"
  rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/* "$tree"/var/cache/debconf/*-old \
    "$tree"/var/log/* "$tree"/tmp/* "$tree"/usr/share/{doc,man,info,locale,i18n}/* "$tree"/usr/share/postgresql/*/man \
    "$tree"/usr/sbin/policy-rc.d "$tree"/etc/apt/apt.conf.d/{frozen,proxy} "$tree"/etc/ssl/certs/ca-certificates.crt
}

build() {
  local major=$1 suite base status data=/var/lib/postgresql/data root=/var/lib/postgresql/data
  suite=$(suite_of "$major") || fail "no Debian suite is known for postgres $major (15, 17 and 18 are)"
  base=voodu-postgres-base:$major-$base_version
  if ! docker image inspect "$base" >/dev/null 2>&1; then
    install_debootstrap
    say "building postgres:$major from Debian $suite ($(mirror))"
    work=$(mktemp -d "$scratch.XXXXXX")
    # Not `if ! make_tree`: that would switch `set -e` off inside it.
    set +e
    (set -e && make_tree "$major" "$suite" "$work/tree") >"$work/log" 2>&1 </dev/null
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
      tail -n 25 "$work/log" >&2
      fail "Debian $suite with postgres $major could not be installed"
    fi
    tar -C "$work/tree" --numeric-owner --one-file-system -c . | docker import - "$base" >/dev/null
    discard "$work"
  fi
  if [ "$major" -ge 18 ]; then
    data=/var/lib/postgresql/$major/docker root=/var/lib/postgresql
  fi
  # BuildKit needs a client plugin that a plain docker client lacks.
  if ! docker buildx version >/dev/null 2>&1; then
    export DOCKER_BUILDKIT=0
  fi
  docker build --quiet --tag "postgres:$major" --build-arg BASE="$base" --build-arg MAJOR="$major" \
    --build-arg DATA="$data" --build-arg ROOT="$root" --build-arg RECIPE="$(recipe)" "$here" >/dev/null 2>"$scratch.log" ||
    fail "docker build of postgres:$major failed: $(cat "$scratch.log")"
}

[ $# -gt 0 ] || fail "usage: tests/images/build.sh <major>..."
docker info >/dev/null 2>&1 || fail "no docker daemon answers: run tests/provision.sh"

missing=()
for major; do
  [[ $major =~ ^[0-9]+$ ]] || fail "not a major version: $major"
  present "$major" || missing+=("$major")
done
if [ ${#missing[@]} -eq 0 ]; then
  say "present: ${*/#/postgres:}"
  exit 0
fi

# One build at a time on a machine; what lies in the scratch directory then belongs to a killed one.
exec 9>"$scratch.lock"
flock 9
for stale in "$scratch".??????; do
  [ ! -d "$stale" ] || discard "$stale"
done
work=''
trap '[ -z "$work" ] || discard "$work"' EXIT
trap 'exit 130' INT TERM HUP

for major in "${missing[@]}"; do
  present "$major" && continue
  started=$SECONDS
  pulled "$major" || build "$major"
  say "postgres:$major ready after $((SECONDS - started)) s, $(docker image inspect --format '{{.Size}}' "postgres:$major" | awk '{ printf "%d MB", $1 / 1000000 }')"
done
