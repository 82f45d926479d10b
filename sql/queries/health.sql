-- How the system itself is doing.

-- name: figures
-- `silent`: active agents that were last heard of before `silent_before`, by batch or heartbeat, or never since then.
with active as (
    select g.name, g.created_at, greatest(m.moved_at, h.received_at) as last_heard
    from agent g
    left join (select agent_id, max(moved_at) as moved_at from cursor group by agent_id) m on m.agent_id = g.id
    left join agent_heartbeat h on h.agent_id = g.id
    where g.state = 'active'
), silent as (
    select name from active where coalesce(last_heard, created_at) < %(silent_before)s::timestamptz
), overdue as (
    select distinct client_id, period_start
    from billed_client
    where provisional and period_end < %(overdue_before)s::timestamptz
)
select current_setting('server_version') as server_version,
       (select extversion from pg_extension where extname = 'timescaledb') as timescaledb_version,
       (select stored_at from batch where stored > 0 order by stored_at desc limit 1) as last_reading,
       (select count(*) from active) as agents,
       (select count(*) from silent) as agents_silent,
       array(select name from silent order by name limit %(names)s::integer) as silent_names,
       (select count(*) from quarantine where settled_at is null) as quarantined,
       (select count(*) from batch
        where read <> stored + quarantined + suppressed and stored_at > %(unbalanced_since)s::timestamptz)
           as unbalanced_batches,
       (select count(*) from overdue) as periods_overdue,
       array(
           select name from client where id in (select client_id from overdue) order by name limit %(names)s
       ) as overdue_names

-- name: succeeded
-- When each job last did its work to the end.
select distinct on (job) job, ended_at
from run
where state = 'done'
order by job, started_at desc

-- name: totals
-- The control totals of every agent, against what quarantine and suppressions count.
with applied as (
    select agent_id, sum(read) as read, sum(stored) as stored, sum(quarantined) as quarantined, sum(suppressed) as suppressed
    from cursor
    group by agent_id
), set_aside as (
    select agent_id, sum(kept + counted_only) as readings from quarantine_day group by agent_id
), dropped as (
    select agent_id, sum(readings) as readings from suppression_hit group by agent_id
)
select coalesce(sum(a.read), 0)::bigint as read, coalesce(sum(a.stored), 0)::bigint as stored,
       coalesce(sum(a.quarantined), 0)::bigint as quarantined, coalesce(sum(a.suppressed), 0)::bigint as suppressed,
       count(*) filter (
           where a.read <> a.stored + a.quarantined + a.suppressed or a.quarantined <> coalesce(q.readings, 0)
               or a.suppressed <> coalesce(d.readings, 0) or coalesce(t.problem, '') <> ''
       ) as unbalanced_agents
from applied a
left join set_aside q using (agent_id)
left join dropped d using (agent_id)
left join control_total t using (agent_id)

-- name: troubled
-- By kind of trouble: how many agents have it, and the first few names.
with heard as (
    select g.name, h.spool_state, h.clock_offset_ms
    from agent_heartbeat h
    join agent g on g.id = h.agent_id
    where g.state = 'active' and h.received_at >= %(heard_since)s::timestamptz
), found (trouble, name) as (
    select 'spool_' || spool_state, name from heard where spool_state <> 'ok'
    union
    select 'clock', name from heard where abs(clock_offset_ms) > %(offset_ms_max)s::bigint
    union
    select 'lost', g.name from batch b join agent g on g.id = b.agent_id
    where b.lost_reason is not null and b.stored_at >= %(told_since)s::timestamptz
    union
    select case c.began when 'unnamed' then 'new_spool' else 'set_back' end, g.name
    from cursor c join agent g on g.id = c.agent_id
    where c.began in ('unnamed', 'unknown') and c.opened_at >= %(told_since)s::timestamptz
    union
    select 'second_line', g.name from epoch_refused e join agent g on g.id = e.agent_id
    where e.last_at >= %(heard_since)s::timestamptz
    union
    select 'conflict', g.name from conflict c join agent g on g.id = c.agent_id
    where c.last_at >= %(told_since)s::timestamptz
    union
    select 'overflow', g.name from quarantine_day d join agent g on g.id = d.agent_id
    where d.counted_only > 0 and d.day >= (%(told_since)s::timestamptz)::date
    union
    select 'held', name from agent where state = 'held'
    union
    -- Renewed at half its life; what is left of the second half is for mending.
    select 'certificate', g.name from agent g join certificate c on c.agent_id = g.id and c.generation = g.generation
    where g.state = 'active' and clock_timestamp() > c.issued_at + (c.not_after - c.issued_at) * 0.7
)
select trouble, count(*) as agents, (array_agg(name order by name))[1:%(names)s::integer] as names
from found
group by trouble
