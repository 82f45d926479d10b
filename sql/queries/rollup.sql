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
-- Computes the slots anew and saves them, and says which of them hold nothing (any more). Usage per month is moved by the
-- difference of what the slots held before and hold now; `lower_…` are series of which a slot has become less or is gone,
-- so that a highest or latest value that is kept may be none any more.
with rolled as materialized (
    select *
    from slots_of(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[], 'infinity')
),
asked as materialized (
    select *
    from unnest(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[]) as key (agent_id, width, slot)
),
-- Seen as they were before this statement.
before as materialized (
    select t.slot, t.series, t.n, t.total, t.high, t.last
    from asked
    join slot_60 as t on t.agent_id = asked.agent_id and t.slot = asked.slot
    where asked.width = 60
    union all
    select t.slot, t.series, t.n, t.total, t.high, t.last
    from asked
    join slot_5 as t on t.agent_id = asked.agent_id and t.slot = asked.slot
    where asked.width = 5
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
measured as materialized (
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
),
kinds as materialized (
    select s.id, s.asset_id, u.kind, u.level_value
    from series as s
    join unit_type as u on u.id = s.unit_type_id
    where s.id = any(array(
        select distinct unnest(list.series)
        from (select measured.series from measured union select before.series from before) as list
    ))
),
months as materialized (
    select slot, date_trunc('month', slot_start(slot) at time zone 'UTC')::date as month
    from (select distinct slot from asked) as slots
),
values_now as (
    select
        k.id as series_id, c.month, sum(v.value) as total, max(v.value) as high, max(c.slot) as last_slot,
        (max(array[c.slot, v.value]))[2] as last, count(*)::integer as slots, sum(c.n)::bigint as readings
    from (
        select
            r.slot, m.month, unnest(r.series) as series_id, unnest(r.n) as n, unnest(r.total) as total,
            unnest(r.high) as high, unnest(r.last) as last
        from rolled as r
        join months as m on m.slot = r.slot
    ) as c
    join kinds as k on k.id = c.series_id
    cross join lateral (select value_of_slot(k.kind, k.level_value, c.n, c.total, c.high, c.last) as value) as v
    group by k.id, c.month
),
values_before as (
    select
        k.id as series_id, c.month, sum(v.value) as total, max(v.value) as high, max(c.slot) as last_slot,
        count(*)::integer as slots, sum(c.n)::bigint as readings
    from (
        select
            r.slot, m.month, unnest(r.series) as series_id, unnest(r.n) as n, unnest(r.total) as total,
            unnest(r.high) as high, unnest(r.last) as last
        from before as r
        join months as m on m.slot = r.slot
    ) as c
    join kinds as k on k.id = c.series_id
    cross join lateral (select value_of_slot(k.kind, k.level_value, c.n, c.total, c.high, c.last) as value) as v
    group by k.id, c.month
),
changes as materialized (
    select
        coalesce(a.series_id, b.series_id) as series_id, coalesce(a.month, b.month) as month,
        coalesce(a.total, 0) - coalesce(b.total, 0) as total, coalesce(a.high, -1) as high,
        coalesce(a.last, -1) as last, coalesce(a.last_slot, -1) as last_slot,
        coalesce(a.slots, 0) - coalesce(b.slots, 0) as slots,
        coalesce(a.readings, 0) - coalesce(b.readings, 0) as readings,
        -- A series of one agent is this roll-up's alone, so what was kept before is what it finds.
        (b.high > coalesce(a.high, -1) or b.last_slot > coalesce(a.last_slot, -1))
        and exists (
            select from series_usage as known
            where known.series_id = b.series_id and known.month = b.month and (
                b.high > coalesce(a.high, -1) and b.high >= known.high
                or b.last_slot > coalesce(a.last_slot, -1) and b.last_slot >= known.last_slot
                or known.slots <= b.slots
                or (select count(*) > 1 from series_agent as m where m.series_id = b.series_id)
            )
        ) as lower
    from values_now as a
    full join values_before as b on b.series_id = a.series_id and b.month = a.month
),
-- Ordered, so that two roll-ups that change one series wait for one another and never both.
used as (
    insert into series_usage as known (series_id, month, total, high, last, last_slot, slots, readings)
    select series_id, month, total, high, last, last_slot, slots, readings
    from changes
    order by series_id, month
    on conflict (series_id, month) do update set
        total = known.total + excluded.total, high = greatest(known.high, excluded.high),
        last = case when excluded.last_slot >= known.last_slot then excluded.last else known.last end,
        last_slot = greatest(known.last_slot, excluded.last_slot),
        slots = known.slots + excluded.slots, readings = known.readings + excluded.readings
    returning 1
),
assets_seen as (
    insert into asset_seen as known (asset_id, last_slot)
    select k.asset_id, max(m.to_slot)
    from measured as m
    cross join lateral unnest(m.series) as item (series_id)
    join kinds as k on k.id = item.series_id
    -- After usage, in every roll-up: so locks are taken in one order.
    where (select count(*) from used) >= 0
    group by k.asset_id
    order by k.asset_id
    on conflict (asset_id) do update set last_slot = excluded.last_slot where known.last_slot < excluded.last_slot
)
select
    (select count(*) from rolled) as slots,
    (select coalesce(sum(readings), 0)::bigint from rolled) as readings,
    (select coalesce(array_agg(series_id order by series_id, month), '{}') from changes where lower) as lower_series,
    (select coalesce(array_agg(month order by series_id, month), '{}') from changes where lower) as lower_months,
    coalesce(array_agg(agent_id), '{}') as empty_agents, coalesce(array_agg(width), '{}') as empty_widths,
    coalesce(array_agg(slot), '{}') as empty_slots
from (
    select agent_id, width, slot from asked
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

-- name: contested
-- Series and months of these slots in which another agent measured the same series in the same slot. A statement of its own
-- after `roll`: of two roll-ups that meet on a series, the later one waited there and sees the other's slots now.
with doubled as materialized (
    -- `offset 0` keeps it to look each series up, of which an agent has few.
    select mine.agent_id, mine.series_id, other.agent_id as other_id, other.from_slot, other.to_slot
    from series_agent as mine
    cross join lateral (
        select * from series_agent as a
        where a.series_id = mine.series_id and a.agent_id <> mine.agent_id
        offset 0
    ) as other
    where mine.agent_id = any(array(select distinct unnest(%(agents)s::bigint[])))
),
met as materialized (
    select doubled.series_id, doubled.other_id, asked.slot, asked.width
    from doubled
    join unnest(%(agents)s, %(widths)s::smallint[], %(slots)s::integer[]) as asked (agent_id, width, slot)
        on asked.agent_id = doubled.agent_id and asked.slot >= doubled.from_slot and asked.slot < doubled.to_slot
)
select coalesce(array_agg(series_id), '{}') as series, coalesce(array_agg(month), '{}') as months
from (
    select distinct met.series_id, date_trunc('month', slot_start(met.slot) at time zone 'UTC')::date as month
    from met
    where met.width = 60 and exists (
            select from slot_60 as t
            where t.agent_id = met.other_id and t.slot = met.slot and array_position(t.series, met.series_id) is not null
        )
        or met.width = 5 and exists (
            select from slot_5 as t
            where t.agent_id = met.other_id and t.slot = met.slot and array_position(t.series, met.series_id) is not null
        )
) as found

-- name: recount
-- Usage of these series and months from all their slots. Amounts of several agents add; of a level the one with more
-- readings in the slot counts, then the lower id.
with asked as materialized (
    select distinct
        series_id, month, slot_of(month::timestamp at time zone 'UTC') as from_slot,
        slot_of((month + interval '1 month') at time zone 'UTC') as to_slot
    from unnest(%(series)s::integer[], %(months)s::date[]) as key (series_id, month)
),
reporter as materialized (
    select
        asked.series_id, asked.month, a.agent_id, u.kind, u.level_value, u.slot_minutes,
        greatest(asked.from_slot, a.from_slot) as from_slot, least(asked.to_slot, a.to_slot) as to_slot
    from asked
    join series as s on s.id = asked.series_id
    join unit_type as u on u.id = s.unit_type_id
    join series_agent as a on a.series_id = asked.series_id
        and a.from_slot < asked.to_slot and a.to_slot > asked.from_slot
),
cell as (
    select
        r.series_id, r.month, r.kind, r.agent_id, t.slot, t.n[place.at] as n,
        value_of_slot(
            r.kind, r.level_value, t.n[place.at], t.total[place.at], t.high[place.at], t.last[place.at]
        ) as value
    from reporter as r
    join slot_60 as t on t.agent_id = r.agent_id and t.slot >= r.from_slot and t.slot < r.to_slot
    cross join lateral (select array_position(t.series, r.series_id) as at) as place
    where r.slot_minutes = 60 and place.at is not null
    union all
    select
        r.series_id, r.month, r.kind, r.agent_id, t.slot, t.n[place.at],
        value_of_slot(
            r.kind, r.level_value, t.n[place.at], t.total[place.at], t.high[place.at], t.last[place.at]
        )
    from reporter as r
    join slot_5 as t on t.agent_id = r.agent_id and t.slot >= r.from_slot and t.slot < r.to_slot
    cross join lateral (select array_position(t.series, r.series_id) as at) as place
    where r.slot_minutes = 5 and place.at is not null
),
measured as (
    select
        series_id, month, slot,
        case kind
            when 'amount' then sum(value)
            else (array_agg(value order by n desc, agent_id))[1]
        end as value,
        case kind when 'amount' then sum(n) else max(n) end as n
    from cell
    group by series_id, month, slot, kind
),
counted as materialized (
    select
        series_id, month, sum(value) as total, least(max(value), 9223372036854775807)::bigint as high,
        least((array_agg(value order by slot desc))[1], 9223372036854775807)::bigint as last, max(slot) as last_slot,
        count(*)::integer as slots, sum(n)::bigint as readings
    from measured
    group by series_id, month
),
gone as (
    delete from series_usage as known
    using asked
    where known.series_id = asked.series_id and known.month = asked.month
        and not exists (
            select from counted where counted.series_id = asked.series_id and counted.month = asked.month
        )
)
update series_usage as known
set total = counted.total, high = counted.high, last = counted.last, last_slot = counted.last_slot,
    slots = counted.slots, readings = counted.readings
from counted
where known.series_id = counted.series_id and known.month = counted.month

-- name: measure_candidates
-- What was measured of series of these agents that may be unbound. Added to what others measured meanwhile.
with span as materialized (
    select m.series_id, range_agg(whole_slots(m.from_slot, m.to_slot, c.width)) as slots
    from series_agent as m
    join unbound_candidate as c on c.series_id = m.series_id
    where m.agent_id = any(array(select distinct unnest(%(agents)s::bigint[])))
    group by m.series_id
    order by m.series_id
)
update unbound_candidate as c
set measured = c.measured + span.slots, stale = true
from span
where c.series_id = span.series_id

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
