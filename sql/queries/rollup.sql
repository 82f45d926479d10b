-- name: due_agents
-- Agents with slots that ended 60 s before now, and how many touches they have.
select agent_id, count(*) as touches
from touched
where slot + width / 5 <= slot_of(%(ended_by)s)
group by agent_id
order by agent_id

-- name: lock_agents
-- Those of the agents that no other roll-up is at work on, until the end of this transaction.
select agent_id
from unnest(%(agents)s::bigint[]) as asked (agent_id)
where pg_try_advisory_xact_lock(hashtextextended('ullage.rollup.agent', agent_id))
order by agent_id

-- name: take
-- Must be a statement of its own before `roll`: a tick committed in between brings its own touch, which stays.
with gone as (
    delete from touched
    where ctid = any(array(
        select mine.ctid
        from unnest(%(agents)s::bigint[]) as asked (agent_id)
        cross join lateral (
            select touched.ctid
            from touched
            where touched.agent_id = asked.agent_id
                and touched.slot + touched.width / 5 <= slot_of(%(ended_by)s)
            order by touched.slot
            limit %(touches_max)s
        ) as mine
        limit %(touches_max)s
    ))
    returning agent_id, width, slot
)
select
    coalesce(array_agg(agent_id), '{}') as agents, coalesce(array_agg(width), '{}') as widths,
    coalesce(array_agg(slot), '{}') as slots, coalesce(sum(touches), 0)::bigint as touches
from (
    select agent_id, width, slot, count(*) as touches
    from gone
    group by agent_id, width, slot
    order by agent_id, width, slot
) as folded

-- name: roll
-- Computes the slots anew and saves them, and says which of them hold nothing (any more).
with rolled as materialized (
    select *
    from slots_of(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[], 'infinity')
),
hours as (
    insert into slot_60 (slot, agent_id, series, n, total, low, high, last, reported, stored_max)
    select slot, agent_id, series, n, total, low, high, last, reported, stored_max
    from rolled
    where width = 60
    on conflict (agent_id, slot) do update set
        series = excluded.series, n = excluded.n, total = excluded.total, low = excluded.low, high = excluded.high,
        last = excluded.last, reported = excluded.reported, stored_max = excluded.stored_max
),
fives as (
    insert into slot_5 (slot, agent_id, series, n, total, low, high, last, reported, stored_max)
    select slot, agent_id, series, n, total, low, high, last, reported, stored_max
    from rolled
    where width = 5
    on conflict (agent_id, slot) do update set
        series = excluded.series, n = excluded.n, total = excluded.total, low = excluded.low, high = excluded.high,
        last = excluded.last, reported = excluded.reported, stored_max = excluded.stored_max
),
-- By list of series first: an agent has few lists and many slots.
measured as (
    select agent_id, series, min(slot) as from_slot, max(slot + width / 5) as to_slot
    from rolled
    group by agent_id, series
),
seen as (
    insert into series_agent as known (series_id, agent_id, from_slot, to_slot)
    select series_id, agent_id, min(from_slot), max(to_slot)
    from measured
    cross join lateral unnest(series) as item (series_id)
    group by series_id, agent_id
    order by series_id, agent_id
    on conflict (series_id, agent_id) do update set
        from_slot = least(known.from_slot, excluded.from_slot), to_slot = greatest(known.to_slot, excluded.to_slot)
    where known.from_slot > excluded.from_slot or known.to_slot < excluded.to_slot
)
select
    (select count(*) from rolled) as slots,
    (select coalesce(sum(readings), 0)::bigint from rolled) as readings,
    coalesce(array_agg(agent_id), '{}') as empty_agents, coalesce(array_agg(width), '{}') as empty_widths,
    coalesce(array_agg(slot), '{}') as empty_slots
from (
    select agent_id, width, slot
    from unnest(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[]) as asked (agent_id, width, slot)
    except
    select agent_id, width, slot from rolled
) as empty

-- name: remove_hours
delete from slot_60
using unnest(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[]) as empty (agent_id, width, slot)
where empty.width = 60 and slot_60.agent_id = empty.agent_id and slot_60.slot = empty.slot

-- name: remove_fives
delete from slot_5
using unnest(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[]) as empty (agent_id, width, slot)
where empty.width = 5 and slot_5.agent_id = empty.agent_id and slot_5.slot = empty.slot

-- name: share_bound
-- Whoever changes bindings holds it alone: of slots and bindings that are saved at the same time, one sees the other.
select pg_advisory_xact_lock_shared(hashtextextended('ullage.bound', 0))

-- name: mark_dirty
-- Days of the buckets to which series of these agents are bound. A series without a reading is marked like the others:
-- that its agent was there makes it absent. The update on conflict is a lock: a billing run must not take the
-- day away before what made it dirty is committed. Ordered, so that two roll-ups do not wait for one another.
with day as (
    select distinct agent_id, width, slot / 288 * 288 as day_slot
    from unnest(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[]) as asked (agent_id, width, slot)
),
bound as materialized (
    select
        sa.agent_id, u.slot_minutes as width, b.bucket_id,
        greatest(b.from_slot, sa.from_slot) as from_slot, b.to_slot
    from (select distinct agent_id from day) as agent
    join series_agent as sa on sa.agent_id = agent.agent_id
    join binding as b on b.series_id = sa.series_id and b.to_slot > sa.from_slot
    join series as s on s.id = sa.series_id
    join unit_type as u on u.id = s.unit_type_id
)
insert into dirty as known (bucket_id, day_slot)
select distinct bound.bucket_id, day.day_slot
from day
join bound on bound.agent_id = day.agent_id and bound.width = day.width
    and bound.from_slot < day.day_slot + 288 and bound.to_slot > day.day_slot
order by bound.bucket_id, day.day_slot
on conflict (bucket_id, day_slot) do update set day_slot = known.day_slot
