-- Control totals: what was read of each agent against what became of it.

-- name: sums
-- Of each agent over everything stored by the cutoff, what batches stored since the last check say, and what is counted
-- elsewhere. One statement, so one moment; what was stored after the cutoff is taken off again.
with applied as (
    select agent_id, sum(read) as read, sum(stored) as stored, sum(quarantined) as quarantined, sum(suppressed) as suppressed
    from cursor
    group by agent_id
), later as (
    select agent_id, sum(read) as read, sum(stored) as stored, sum(quarantined) as quarantined, sum(suppressed) as suppressed
    from batch
    where stored_at > %(cutoff)s
    group by agent_id
), batches as (
    select b.agent_id, sum(b.read) as read, sum(b.stored) as stored, sum(b.quarantined) as quarantined,
        sum(b.suppressed) as suppressed
    from batch b
    join control_total c using (agent_id)
    where b.stored_at > (select min(checked_to) from control_total) and b.stored_at <= %(cutoff)s
        and b.stored_at > c.checked_to
    group by b.agent_id
), set_aside as (
    select agent_id, sum(kept + counted_only) as readings from quarantine_day group by agent_id
), dropped as (
    select agent_id, sum(readings) as readings from suppression_hit group by agent_id
)
select
    a.agent_id, g.name,
    array[
        a.read - coalesce(l.read, 0), a.stored - coalesce(l.stored, 0), a.quarantined - coalesce(l.quarantined, 0),
        a.suppressed - coalesce(l.suppressed, 0)
    ]::bigint[] as total,
    case when c.agent_id is not null then array[c.read, c.stored, c.quarantined, c.suppressed] end as before,
    array[
        coalesce(b.read, 0), coalesce(b.stored, 0), coalesce(b.quarantined, 0), coalesce(b.suppressed, 0)
    ]::bigint[] as batches,
    (coalesce(q.readings, 0) - coalesce(l.quarantined, 0))::bigint as set_aside,
    (coalesce(d.readings, 0) - coalesce(l.suppressed, 0))::bigint as dropped
from applied a
join agent g on g.id = a.agent_id
left join later l using (agent_id)
left join control_total c using (agent_id)
left join batches b using (agent_id)
left join set_aside q using (agent_id)
left join dropped d using (agent_id)
order by a.agent_id

-- name: save
-- Where something does not add up, what was found before stays what the next check starts from: so does the alarm.
insert into control_total as known (agent_id, checked_to, read, stored, quarantined, suppressed, problem)
select agent_id, %(cutoff)s, read, stored, quarantined, suppressed, problem
from unnest(
    %(agents)s::bigint[], %(read)s::bigint[], %(stored)s::bigint[], %(quarantined)s::bigint[], %(suppressed)s::bigint[],
    %(problems)s::text[]
) found (agent_id, read, stored, quarantined, suppressed, problem)
order by agent_id
on conflict (agent_id) do update set
    checked_to = case when excluded.problem = '' then excluded.checked_to else known.checked_to end,
    read = case when excluded.problem = '' then excluded.read else known.read end,
    stored = case when excluded.problem = '' then excluded.stored else known.stored end,
    quarantined = case when excluded.problem = '' then excluded.quarantined else known.quarantined end,
    suppressed = case when excluded.problem = '' then excluded.suppressed else known.suppressed end,
    problem = excluded.problem
