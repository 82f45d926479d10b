-- serves_from: 1
-- The one place that says what a slot holds: the roll-up saves it, a run whose cutoff is older than a slot computes it.

-- A backlog is taken oldest slot first, a part at a time.
drop index touched_agent;
create index touched_agent on touched (agent_id, slot);

-- The slots (agents[i], widths[i], slots[i]) as the ticks stored by `stored_by` give them; a slot in which nothing
-- happened is left out. `readings` counts what was folded. No slot may be named twice. The answer depends on the
-- readings alone, not on the order in which they were stored, and on no setting.
--
-- A level belongs to the slot of its tick. An amount belongs to the whole span (since, ticked_at]: within one slot it is
-- taken whole; across borders it is divided by time in whole steps, and the last slot gets what is left.
-- Quantities are steps, spans are microseconds; a product that might not fit into bigint is taken in numeric. A total
-- beyond bigint, which no honest agent reaches, stops at its end.
create function slots_of(agents bigint[], widths smallint[], slots integer[], stored_by timestamptz)
returns table (
    agent_id bigint, width smallint, slot integer,
    series integer[], n integer[], total bigint[], low bigint[], high bigint[], last bigint[],
    reported smallint[], stored_max timestamptz, readings bigint
)
language sql stable
-- Estimates for unnested arrays are guesses, and a guess of one row makes nested loops over thousands: joins are by hash.
set enable_nestloop = off
set enable_mergejoin = off
set jit = off
set work_mem = '96MB'
as $$
with wanted as materialized (
    select
        asked.w::integer, asked.agent_id, asked.width, asked.slot, asked.width / 5 as units,
        slot_start(asked.slot) as starts, slot_start(asked.slot + asked.width / 5) as ends
    from unnest(agents, widths, slots) with ordinality as asked (agent_id, width, slot, w)
),
-- Slots that follow one another within the hour are read from `tick` in one go.
islands as materialized (
    select
        agent_id, width, min(units) as units, min(slot) as from_slot, max(slot) as to_slot,
        min(starts) as starts, max(ends) as ends
    from (
        select *, count(*) filter (where far_from_last) over (partition by agent_id, width order by slot) as island
        from (
            select
                *,
                slot - lag(slot, 1, slot) over (partition by agent_id, width order by slot) > 12 as far_from_last
            from wanted
        ) as marked
    ) as numbered
    group by agent_id, width, island
),
-- `offset 0` keeps the index scan per island, whatever the statistics say. The first part finds what lies in the island
-- or reaches into it from the hour after; the second, by its own small index, what reaches further.
ticks as materialized (
    select
        i.agent_id, i.width, i.units, i.from_slot, i.to_slot,
        t.ticked_at, t.since, t.stored_at, t.reported, t.series, t.value,
        floor(extract(epoch from t.ticked_at - interval '1 microsecond') / (300 * i.units))::integer * i.units as slot
    from islands as i
    cross join lateral (
        (
            select * from tick as near
            where near.agent_id = i.agent_id
                and near.ticked_at > i.starts and near.ticked_at <= i.ends + interval '1 hour'
                and (near.ticked_at <= i.ends or near.since < i.ends)
                and near.stored_at <= stored_by
            offset 0
        )
        union all
        (
            select * from tick as far
            where far.agent_id = i.agent_id
                and far.ticked_at > i.ends + interval '1 hour' and far.since < i.ends
                and far.ticked_at - far.since > interval '1 hour'
                and far.stored_at <= stored_by
            offset 0
        )
    ) as t
),
-- Ticks of an agent mostly carry the same series in the same order, so that what these are is looked up once for all;
-- by list and not by join, so that it takes the index however many series there are.
carried as materialized (
    select distinct ticks.width, ticks.series from ticks
),
known as materialized (
    select s.id, u.slot_minutes, u.kind
    from series as s
    join unit_type as u on u.id = s.unit_type_id
    where s.id = any(array(select distinct unnest(carried.series) from carried))
),
-- kind: 0 belongs to slots of the other width, or the tick is without series; 1 level, 2 amount.
layouts as materialized (
    select *, 2 = any(kind) as has_amounts
    from (
        select
            carried.width, carried.series,
            array_agg(
                case
                    when known.slot_minutes is distinct from carried.width then 0
                    when known.kind = 'level' then 1
                    else 2
                end
                order by item.place
            ) as kind
        from carried
        left join lateral unnest(carried.series) with ordinality as item (id, place) on true
        left join known on known.id = item.id
        group by carried.width, carried.series
    ) as layout
),
-- Ticks whose amounts were consumed across a border, once per wanted slot that they reach into.
shares as materialized (
    select
        w, ticked_at, stored_at, series, value, kind, is_last, whole_slots,
        (overlap / step)::bigint as overlap, (overlap_first / step)::bigint as overlap_first,
        (overlap_whole / step)::bigint as overlap_whole, (span / step)::bigint as span,
        9223372036854775807 / (span / step)::bigint as value_max
    from (
        select
            *,
            -- Of spans on whole minutes or seconds little is left after division by what they have in common.
            gcd(gcd(span, overlap), gcd(overlap_first, overlap_whole)) as step
        from (
            select
                w.w, t.ticked_at, t.stored_at, t.series, t.value, l.kind,
                w.slot = t.slot as is_last,
                (t.slot - t.since_slot) / t.units - 1 as whole_slots,
                extract(epoch from t.ticked_at - t.since) * 1000000 as span,
                extract(epoch from least(w.ends, t.ticked_at) - greatest(w.starts, t.since)) * 1000000 as overlap,
                extract(epoch from slot_start(t.since_slot + t.units) - t.since) * 1000000 as overlap_first,
                case when t.slot - t.since_slot > t.units then t.units * 300000000::numeric else 0 end as overlap_whole
            from (
                select
                    crossing.*,
                    generate_series(greatest(since_slot, from_slot), least(slot, to_slot), units) as reached_slot
                from (
                    select *, floor(extract(epoch from since) / (300 * units))::integer * units as since_slot
                    from ticks
                ) as crossing
                where since_slot < slot
            ) as t
            join layouts as l on l.width = t.width and l.series = t.series and l.has_amounts
            join wanted as w on w.agent_id = t.agent_id and w.width = t.width and w.slot = t.reached_slot
        ) as part
    ) as stepped
),
-- Ticks in the slot of their time; one that only reaches into this island belongs to another, which found it too.
inside as materialized (
    select w.w, t.width, t.ticked_at, t.stored_at, t.since >= w.starts as amounts_whole, t.reported, t.series, t.value
    from ticks as t
    join wanted as w on w.agent_id = t.agent_id and w.width = t.width and w.slot = t.slot and t.slot <= t.to_slot
),
slots as materialized (
    select
        w, width, min(series) as series, min(series) = max(series) and w not in (select shares.w from shares) as alike,
        count(*) as ticks, max(ticked_at) as newest_at, max(stored_at) as stored_max
    from inside
    group by w, width
),
-- Slots whose ticks all carry the same series, none divided and one newest of all: their columns are folded by place,
-- without looking at what stands there; that is said once for the slot.
plain as materialized (
    select slots.w, slots.ticks, layouts.series, layouts.kind, newest.value as newest
    from slots
    join layouts on layouts.width = slots.width and layouts.series = slots.series
    join (
        select inside.w, min(inside.value) as value
        from slots
        join inside on inside.w = slots.w and inside.ticked_at = slots.newest_at
        where slots.alike
        group by inside.w
        having count(*) = 1
    ) as newest on newest.w = slots.w
),
-- One number for slot and place: grouping by it is by hash, without a sort of all readings.
places as (
    select cell, min(value) as low, max(value) as high, sum(value) as total
    from (
        select
            unnest(inside.value) as value,
            generate_series(
                inside.w::bigint << 20, (inside.w::bigint << 20) + cardinality(inside.value) - 1
            ) as cell
        from inside
        where inside.w in (select plain.w from plain)
    ) as reading
    group by cell
),
pieces as (
    select w, series, value, ticked_at
    from (
        select
            inside.w, unnest(inside.series) as series, unnest(inside.value) as value, unnest(layouts.kind) as kind,
            inside.amounts_whole, inside.ticked_at
        from inside
        join layouts on layouts.width = inside.width and layouts.series = inside.series
        where inside.w not in (select plain.w from plain)
    ) as reading
    where kind = 1 or kind = 2 and amounts_whole
    union all
    select
        w, series,
        case
            when value <= value_max and is_last
                then value - value * overlap_first / span - whole_slots * (value * overlap_whole / span)
            when value <= value_max then value * overlap / span
            when is_last then (
                value - div(value::numeric * overlap_first, span)
                - whole_slots * div(value::numeric * overlap_whole, span)
            )::bigint
            else div(value::numeric * overlap, span)::bigint
        end,
        ticked_at
    from (
        select
            w, unnest(series) as series, unnest(value) as value, unnest(kind) as kind,
            is_last, whole_slots, overlap, overlap_first, overlap_whole, span, value_max, ticked_at
        from shares
    ) as reading
    where kind = 2
),
cells as (
    select
        plain.w, plain.series[place] as series, plain.ticks as n, low, high, total, plain.newest[place] as last
    from (select *, (cell >> 20)::integer as w, (cell & 1048575)::integer + 1 as place from places) as placed
    join plain on plain.w = placed.w
    where plain.kind[place] > 0
    union all
    select
        w, series, count(*), min(value), max(value), sum(value),
        (max(array[(extract(epoch from ticked_at) * 1000000)::bigint, value]))[2]
    from (select * from pieces order by w, series offset 0) as sorted
    group by w, series
),
folded as (
    select
        w,
        array_agg(series order by series) as series,
        array_agg(n::integer order by series) as n,
        array_agg(least(total, 9223372036854775807)::bigint order by series) as total,
        array_agg(low order by series) as low,
        array_agg(high order by series) as high,
        array_agg(last order by series) as last,
        sum(n)::bigint as readings
    from cells
    group by w
),
answered as (
    select w, array_agg(distinct source_type order by source_type) as reported
    from (select distinct w, reported from inside) as list
    cross join lateral unnest(list.reported) as item (source_type)
    group by w
),
touching as (
    select w, max(stored_max) as stored_max
    from (select w, stored_max from slots union all select w, stored_at from shares) as part
    group by w
)
select
    w.agent_id, w.width, w.slot,
    coalesce(folded.series, '{}'), coalesce(folded.n, '{}'), coalesce(folded.total, '{}'),
    coalesce(folded.low, '{}'), coalesce(folded.high, '{}'), coalesce(folded.last, '{}'),
    coalesce(answered.reported, '{}'), touching.stored_max, coalesce(folded.readings, 0)
from touching
join wanted as w on w.w = touching.w
left join folded on folded.w = touching.w
left join answered on answered.w = touching.w
where folded.w is not null or answered.w is not null
$$;
