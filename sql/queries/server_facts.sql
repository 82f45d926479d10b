-- What `doctor` asks a database server about itself.

-- name: facts
select current_setting('server_version') as version,
       current_setting('server_version_num')::integer as version_number,
       (select extversion from pg_extension where extname = 'timescaledb') as timescaledb,
       exists (select from pg_available_extensions where name = 'timescaledb') as timescaledb_offered,
       current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('server_encoding') as encoding

-- name: clock
select clock_timestamp()
