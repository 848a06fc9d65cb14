# --- What to do -------------------------------------------------------------

# decide: from the record (V_*) and the data (SHAPE) to the name of one action,
# left in ACTION. Nothing is done or asked here. The shape of a data directory
# never makes a pod the primary: only the record does, or where there is none
# yet, the initial primary of the cluster.
decide() {
  local who=other
  [ "$V_PRIMARY" != "$ORDINAL" ] || who=me
  if [ "$SHAPE" = unknown ] || [ "$V_RECORD" = foreign ] || [ "$V_RECORD" = garbage ]; then
    ACTION=refuse_$V_RECORD
    [ "$SHAPE" != unknown ] || ACTION=refuse_unknown
    return
  fi
  if [ "$V_RECORD" = lost ] || [ "$V_RECORD" = contradicted ]; then
    # A standby that follows writes nothing.
    ACTION=wait_for_outcome
    [ "$who:$SHAPE" != other:standby ] || ACTION=follow
    return
  fi
  if [ "$V_STATE" = maintenance ]; then
    ACTION=wait_out_maintenance
    return
  fi
  case $who:$SHAPE:$V_RECORD in
    me:empty:none | me:init:none) ACTION=first_boot ;;
    me:fresh:*) ACTION=finish_first_boot ;;
    me:empty:ours | me:init:ours) ACTION=refuse_empty ;;
    me:clone:ours) ACTION=refuse_half_copy ;;
    me:primary:*) ACTION=run_primary ;;
    me:standby:ours) ACTION=promote ;;
    me:standby:none | me:clone:none) ACTION=wait_for_record ;;
    other:empty:* | other:init:* | other:fresh:* | other:clone:*) ACTION=clone ;;
    other:standby:*) decide_standby ;;
    other:primary:*) decide_old_primary ;;
  esac
  # While a handover runs nobody starts writable.
  case $V_STATE:$ACTION in
    handover:run_primary) [ "$RESUMED" = "$V_EPOCH" ] || ACTION=hand_over ;;
    handover:promote) ACTION=take_back ;;
  esac
}

# decide_standby: a standby can have WAL that the primary never got, and then it
# cannot follow. It is asked to rejoin once: after that it follows like any other. A
# copy, or rewound data, that no server was started on has nothing of its own (the
# first start renames backup_label).
decide_standby() {
  ACTION=follow
  if [ "$V_REJOIN" != "$ORDINAL" ]; then
    REJOINED=''
  elif [ -e "$PGDATA/backup_label" ]; then
    REJOINED=1
  elif [ -z "$REJOINED" ]; then
    ACTION=rejoin
  fi
}

# decide_old_primary: the data may hold commits that nobody else has, unless the
# record says that the new primary received them all, or that they were given up.
decide_old_primary() {
  ACTION=guard
  if clean_stop "$ORDINAL"; then
    ACTION=follow_clean
  elif [ "$V_REJOIN" = "$ORDINAL" ]; then
    ACTION=rejoin
  fi
}

act_refuse_unknown() {
  die "$PGDATA is not empty and holds no complete database; look at it, then move it away to let this pod start over"
}

act_refuse_foreign() {
  die "this pod's data belongs to cluster id $V_CLUSTER, but the shared record $RECORD is of another cluster: two clusters share one backups directory, or a file was put there by hand; nothing was changed"
}

act_refuse_garbage() {
  die "the shared record $RECORD is not readable and this pod has no copy of it; another pod of the cluster puts it right when it runs, or remove the file if this cluster never held data"
}

act_guard() {
  die "split-brain guard: this pod's data was last used as a primary, but pod $V_PRIMARY is the primary of $CLUSTER_REF. Nothing was changed. To make this pod a standby: vd postgres:rejoin $CLUSTER_REF --replica $ORDINAL"
}

act_wait_for_record() {
  local deadline=$((TICKS + 300 * 5))
  say "this pod holds a standby's data and there is no record of who is primary: waiting for another pod to publish one"
  until record_changed; do
    [ "$TICKS" -lt "$deadline" ] ||
      die "no record of who is primary of $CLUSTER_REF showed up in 5 minutes, and a standby is not promoted on a guess; start the other pods, or say who is primary: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force"
    tick
    [ -z "$STOPPING" ] || exit 143
  done
}

# act_wait_for_outcome: this pod may have been succeeded as the primary, and what it knows
# of that is not the last word. Whoever knows publishes a record.
act_wait_for_outcome() {
  local next=$TICKS
  until record_changed; do
    if [ "$TICKS" -ge "$next" ]; then
      if [ "$V_RECORD" = contradicted ]; then
        say "the shared record $RECORD and this pod's copy of it have the same epoch ($V_EPOCH) and name different primaries; waiting for a newer one. To say who is primary: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force"
      else
        say "the shared record $RECORD was lost in the middle of a change of roles, and this pod cannot know how that ended: waiting for the other pods. To say who is primary: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force"
      fi
      next=$((TICKS + 60 * 5))
    fi
    tick
    [ -z "$STOPPING" ] || exit 143
  done
}

# request_is_missing: the way out, where this pod is to be restored and nothing says from
# what.
request_is_missing() {
  [ "$V_PRIMARY" != "$ORDINAL" ] || [ "$RESTORE_GIVEN_UP" = "$V_EPOCH" ] || request_load ||
    printf '%s' "; the request of the restore is gone: start one again (vd postgres:restore), or take it back: vd postgres:backups:cancel $CLUSTER_REF <its id>"
}

# act_wait_out_maintenance: waits for the next record, and says so once a minute.
act_wait_out_maintenance() {
  local next=0
  until record_changed; do
    if restore_is_wanted; then
      restore_data
      return
    fi
    if [ "$TICKS" -ge "$next" ]; then
      say "postgres is stopped during maintenance (record $RECORD, epoch $V_EPOCH)$(request_is_missing)"
      next=$((TICKS + 60 * 5))
    fi
    tick
    [ -z "$STOPPING" ] || exit 143
  done
}
