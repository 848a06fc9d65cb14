#!/usr/bin/env bash
# Says what an upgrade of the plugin does to running clusters, from what both binaries make of the same blocks.
# Usage: tests/rolls.sh OLD-BINARY NEW-BINARY
set -euo pipefail

old=$(realpath "$1") new=$(realpath "$2")
cd "$(dirname "$0")/golden/expand"

# The pods' part of a reply: the platform replaces a pod when its statefulset or a mounted file differs.
pods() { "$1" expand <"$2" 2>&1 || true; }

changed=()
for request in */request.json; do
  [ "$(pods "$old" "$request")" = "$(pods "$new" "$request")" ] || changed+=("${request%/*}")
done

if [ "${#changed[@]}" -eq 0 ]; then
  echo "This release restarts nothing: pods keep running when their block is applied again."
else
  echo "This release restarts each pod once, when its block is applied again, from the highest ordinal down."
  echo "Until then everything keeps running. (Differences in: ${changed[*]}.)"
fi
