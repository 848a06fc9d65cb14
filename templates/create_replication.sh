# Makes the role that standbys connect with. The image's entrypoint runs this at
# the first boot of the primary, the supervisor at each later start; it adds only
# what is missing and changes no existing role.
(
  set -eu
  role=$PG_REPLICATION_USER
  password=${PG_REPLICATION_PASSWORD//\'/\'\'}
  hba=$PGDATA/pg_hba.conf

  # The startup options of every session of the pods' (session.sh): they keep the
  # password out of the server's log and of statistics, too.
  export PGOPTIONS=${VOODU_SESSION_OPTIONS--c synchronous_commit=local} PGPASSWORD=${POSTGRES_PASSWORD-}
  # Where no connection is left, a WAL sender runs SQL as well.
  enter() { psql -XAtqw -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "dbname=$POSTGRES_DB$1" <<<"$sql"; }

  # pg_rewind needs the four grants (postgres manual, pg_rewind, Notes), the pods ask
  # each other in this database, see who streams where, and an event trigger on login must not keep them out.
  sql=$(cat <<SQL
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$role') AS role_is_missing \gset
\if :role_is_missing
CREATE ROLE "$role" WITH LOGIN REPLICATION PASSWORD '$password';
\endif
SELECT NOT has_database_privilege('$role', current_database(), 'CONNECT') AS connect_is_missing \gset
\if :connect_is_missing
SELECT format('GRANT CONNECT ON DATABASE %I TO "$role"', current_database()) \gexec
\endif
SELECT NOT bool_and(has_function_privilege('$role', f, 'EXECUTE')) AS grants_are_missing
FROM unnest(ARRAY[
  'pg_catalog.pg_ls_dir(text, boolean, boolean)', 'pg_catalog.pg_stat_file(text, boolean)',
  'pg_catalog.pg_read_binary_file(text)', 'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)']) AS f \gset
\if :grants_are_missing
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO "$role";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO "$role";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO "$role";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO "$role";
\endif
SELECT NOT pg_has_role('$role', 'pg_monitor', 'MEMBER') AS monitor_is_missing \gset
\if :monitor_is_missing
GRANT pg_monitor TO "$role";
\endif
SELECT current_setting('server_version_num')::int >= 170000 AS has_login_triggers \gset
\if :has_login_triggers
SELECT NOT has_parameter_privilege('$role', 'event_triggers', 'SET') AS set_is_missing \gset
\if :set_is_missing
GRANT SET ON PARAMETER event_triggers TO "$role";
\endif
\endif
SQL
  )
  enter '' || enter ' replication=database'

  if ! grep -qE "^host[[:space:]]+replication[[:space:]]+\"?$role\"?[[:space:]]" "$hba"; then
    # A line that is cut off would keep the server from starting, so the file is
    # replaced whole.
    new=$(mktemp "$hba.XXXXXX")
    {
      cat "$hba"
      printf '\nhost replication "%s" all scram-sha-256\n' "$role"
    } >"$new"
    chmod 0600 "$new"
    sync "$new"
    mv -f "$new" "$hba"
    sync "$PGDATA"
    # The first boot starts the server anew afterwards; only the supervisor runs
    # this, with its port, on a server that is already in service.
    [ -z "${PGPORT:-}" ] || { sql='SELECT pg_reload_conf()' && { enter '' || enter ' replication=database'; } >/dev/null; }
  fi
)
