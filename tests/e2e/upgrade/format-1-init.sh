# Makes the role that standbys connect with. The image's entrypoint runs this at
# the first boot of the primary, the supervisor at each later start; it adds only
# what is missing and changes no existing role.
(
  set -eu
  role=$PG_REPLICATION_USER
  password=${PG_REPLICATION_PASSWORD//\'/\'\'}
  hba=$PGDATA/pg_hba.conf

  # The settings keep the password out of the server log and of statistics.
  # pg_rewind needs the four grants (postgres manual, pg_rewind, Notes), and the
  # pods ask each other in this database.
  PGOPTIONS='-c synchronous_commit=local' psql -XAtq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<SQL
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET pg_stat_statements.track_utility = off;
SET standard_conforming_strings = on;
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
SQL

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
    # The first boot starts the server anew afterwards; only the supervisor runs
    # this, with its port, on a server that is already in service.
    [ -z "${PGPORT:-}" ] || psql -XAtq -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c 'SELECT pg_reload_conf()' >/dev/null
  fi
)
