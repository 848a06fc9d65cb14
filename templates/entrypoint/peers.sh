# --- The other pods ---------------------------------------------------------

# addresses_of HOST: one in each line. Not every image's getent knows ahostsv4.
addresses_of() {
  { timeout 2 getent ahostsv4 "$1" || timeout 2 nslookup "$1"; } 2>/dev/null |
    grep -oE '[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+' | sort -u
}

# peer_addresses: the addresses of the other pods that run, from the alias that
# all pods of the cluster share.
peer_addresses() {
  local shared="$PG_NAME$PG_SCOPE_SUFFIX" mine address
  mine=" $(hostname -i) "
  for address in $(addresses_of "${shared,,}"); do
    case " 127.0.0.11 ${mine//$'\n'/ } " in
      *" $address "*) ;;
      *) printf '%s\n' "$address" ;;
    esac
  done
}

# ask_peers [SECONDS [EXCEPT]]: asks every other pod at once whether it is in
# recovery, within 2 s or that, and none at the addresses EXCEPT.
# Leaves the addresses that answered in PEERS_UP, and in PEER_WRITABLE one that
# is not in recovery. Silence is no answer and no objection; a server that runs
# and does not say is mentioned.
ask_peers() {
  local address answer except=" ${2:-} "
  PEERS_UP='' PEER_WRITABLE=''
  while read -r address answer; do
    case $answer in
      t) PEERS_UP+="$address " ;;
      f) PEERS_UP+="$address " PEER_WRITABLE=$address ;;
      *FATAL*)
        PEERS_UP+="$address "
        say "$(peer_name "$address") runs but does not say whether it is a primary: ${answer#*FATAL: }"
        ;;
    esac
  done < <(
    for address in $(peer_addresses); do
      [[ ${except//$'\n'/ } != *" $address "* ]] || continue
      printf '%s %s\n' "$address" "$(remote_sql "$address" "${1:-2}" <<<'SELECT pg_is_in_recovery()' 2>&1 | tr '\n' ' ')" &
    done
    wait
  )
}

# peer_name ADDRESS: the container behind an address, for a message.
peer_name() {
  local name
  name=$(timeout 2 getent hosts "$1" | sed -n 's/^[^ ]*  *\([^ ]*\).*/\1/p')
  printf '%s' "${name:-$1}"
}

# refuse_second_primary: the net under everything. Before this pod runs writable,
# no other pod of the cluster may be.
refuse_second_primary() {
  ask_peers
  [ -z "$PEER_WRITABLE" ] ||
    die "$(peer_name "$PEER_WRITABLE") already runs as a primary of $CLUSTER_REF, so this pod does not start as a second one; look at both pods' logs, then stop the wrong one"
}
