-- How the system itself is doing.

-- name: figures
-- `silent`: active agents whose newest batch was stored before `silent_before`, or that never sent one since.
with active as (
    select g.name, (select max(b.stored_at) from batch b where b.agent_id = g.id) as last_batch, g.created_at
    from agent g
    where g.state = 'active'
), silent as (
    select name from active where coalesce(last_batch, created_at) < %(silent_before)s::timestamptz
)
select current_setting('server_version') as server_version,
       (select extversion from pg_extension where extname = 'timescaledb') as timescaledb_version,
       (select stored_at from batch where stored > 0 order by stored_at desc limit 1) as last_reading,
       (select count(*) from active) as agents,
       (select count(*) from silent) as agents_silent,
       array(select name from silent order by name limit %(names)s::integer) as silent_names,
       (select count(*) from quarantine) as quarantined,
       (select count(*) from batch
        where read <> stored + quarantined + suppressed and stored_at > %(unbalanced_since)s::timestamptz)
           as unbalanced_batches

-- name: succeeded
-- When each job last did its work to the end.
select distinct on (job) job, ended_at
from run
where state = 'done'
order by job, started_at desc

-- name: agents
-- Batches and readings are those that are kept: as long as raw readings are.
select g.id, g.uuid, g.name, g.site, g.state, coalesce(s.version, '') as version,
       t.last_batch, coalesce(t.batches, 0) as batches, coalesce(t.readings, 0) as readings,
       s.agent_id is not null and s.disconnected_at is null as connected
from agent g
left join agent_status s on s.agent_id = g.id
left join (
    select agent_id, max(stored_at) as last_batch, sum(through - seq + 1)::bigint as batches, sum(stored) as readings
    from batch
    group by agent_id
) t on t.agent_id = g.id
order by g.name
