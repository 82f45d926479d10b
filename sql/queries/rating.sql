-- Rating: the slot values of buckets over the segments of a period, folded, and what is known of the slots without any.

-- name: memory
-- A client's month is sorted and hashed in memory, and estimates for unnested arrays are guesses: a guess of one row makes
-- nested loops over thousands. For this transaction.
select set_config('work_mem', '128MB', true), set_config('enable_nestloop', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true),
       set_config('hash_mem_multiplier', '2', true), set_config('enable_sort', 'off', true)

-- name: ordinary
-- Back to how statements are planned otherwise, for the rest of the transaction.
select set_config('work_mem', reset_val, true) from pg_settings where name = 'work_mem'
union all
select set_config(name, reset_val, true) from pg_settings
where name in ('enable_nestloop', 'enable_mergejoin', 'jit', 'hash_mem_multiplier', 'enable_sort')

-- name: usage
-- By segment, what domain/quantity.py and domain/gap.py want of it; none where nothing is bound.
--
-- A row of `wanted` is a span of a segment in which all slots have ended; a segment with a pause has several. `fold` says
-- what is asked of it: 'total', 'slots' (highest, lowest, the `place`-th highest slot value), 'last' (the slot
-- `last_slot` alone), 'maxima' (each asset's own highest) or 'assets'. [since, until) holds all the spans and `hold`
-- slots before them: written out, the planner leaves the other chunks aside.
-- `days_from`: the days from that slot's on are told one by one too, for projections; null: none.
-- `late`: something was stored after the cutoff, so the bucket has to be rated again by a run with a later one.
--
-- For evidence and explanations: 'values' asks for the slot values themselves, `apart` for a row by asset instead of one of
-- the whole segment, `asset` and `bindings` (null: all) to look at these alone, `raw` to take no slot as it was rolled up.
--
-- What is measured, absent or a gap is worked out on spans of slots as multiranges: agents report the same series slot
-- after slot, so that they are few. Single slots are looked at for their values alone. All spans are on whole slots.
with wanted as materialized (
    select *
    from unnest(
        %(segments)s::integer[], %(bucket_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[],
        %(holds)s::integer[], %(folds)s::text[], %(places)s::integer[], %(last_slots)s::integer[],
        %(apart)s::boolean[], %(days_from)s::integer[]
    ) as w (segment, bucket_id, from_slot, to_slot, hold, fold, place, last_slot, apart, days_from)
),
-- A slot belongs to what is bound at its start. Readings are folded by line: a segment, or an asset in one.
bound as materialized (
    select
        *,
        dense_rank() over (order by segment, case when fold = 'maxima' then asset_id else 0 end)::bigint as line,
        -- An asset's own highest needs its slots where several series or agents make up one.
        fold in ('slots', 'values') or fold = 'maxima' and bool_or(several) over (partition by segment, asset_id) as by_slot
    from (
        select
            row_number() over () as piece,
            w.segment::bigint << 32 | case when w.apart then s.asset_id else 0 end as segment, w.bucket_id, w.fold, w.place, w.last_slot,
            w.days_from / 288 * 288 as days_from,
            w.hold * units as hold, units, b.series_id, s.asset_id, s.merged_from, s.unit_type_id, a.source_type_id,
            u.kind, u.level_value,
            case when u.kind = 'amount' then 0 when u.level_value = 'mean' then 1 when u.level_value = 'high' then 2 else 3
            end as figure,
            (greatest(b.from_slot, w.from_slot) + units - 1) / units * units as from_slot,
            (least(b.to_slot, w.to_slot) + units - 1) / units * units as to_slot,
            case when w.fold = 'maxima' then
                s.merged_from is not null or 1 < (select count(*) from series_agent r where r.series_id = s.id)
            end as several
        from wanted w
        join binding b on b.bucket_id = w.bucket_id and b.from_slot < w.to_slot and b.to_slot > w.from_slot
            and (%(bindings)s::bigint[] is null or b.id = any(%(bindings)s::bigint[]))
        join series s on s.id = b.series_id and (%(asset)s::bigint is null or s.asset_id = %(asset)s::bigint)
        join asset a on a.id = s.asset_id
        join unit_type u on u.id = s.unit_type_id
        cross join lateral (select u.slot_minutes / 5 as units) width
    ) found
    where from_slot < to_slot
),
-- Of the levels of a merged asset one counts in a slot: its own, then that of the asset merged in with the lowest id.
-- `before` are the series that come before this one, whether they are bound or not.
family as materialized (
    select b.series_id, o.id as other_id, (o.merged_from is not null, o.merged_from)
                                          < (b.merged_from is not null, b.merged_from) as before
    from (
        select distinct series_id, asset_id, unit_type_id, merged_from
        from bound
        where kind = 'level' and asset_id = any(array(select asset_id from series where merged_from is not null))
    ) b
    join series o on o.asset_id = b.asset_id and o.unit_type_id = b.unit_type_id and o.id <> b.series_id
),
asked as materialized (
    select series_id, units, kind, level_value, min(from_slot - hold) as from_slot, max(to_slot) as to_slot
    from (
        select series_id, units, kind, level_value, from_slot, to_slot, hold from bound
        union all
        select f.other_id, b.units, b.kind, b.level_value, b.from_slot, b.to_slot, b.hold
        from family f
        join bound b on b.series_id = f.series_id
    ) all_of_it
    group by series_id, units, kind, level_value
),
-- Who reported them before the end; agents that stopped are asked on, to tell what is absent.
known as materialized (
    select
        a.series_id, a.agent_id, q.units, q.kind, q.level_value, greatest(q.from_slot, a.from_slot) as from_slot,
        q.to_slot, min(a.from_slot) over (partition by a.series_id) as first_slot,
        count(*) over (partition by a.series_id) as agents
    from asked q
    join series_agent a on a.series_id = q.series_id and a.from_slot < q.to_slot
),
source as materialized (
    select
        agent_id, units, min(from_slot) as from_slot, max(to_slot) as to_slot,
        bool_or(kind = 'level' or agents > 1) as wants_n, bool_or(kind = 'amount' or level_value = 'mean') as wants_total,
        bool_or(kind = 'level' and level_value = 'high') as wants_high,
        bool_or(kind = 'level' and level_value = 'last') as wants_last
    from known
    group by agent_id, units
),
stored as materialized (
    select s.agent_id, s.units, r.slot, %(raw)s or r.stored_max > %(cutoff)s as late, r.series, r.reported,
           case when s.wants_n then r.n end as n, case when s.wants_total then r.total end as total,
           case when s.wants_high then r.high end as high, case when s.wants_last then r.last end as last
    from source s
    cross join lateral (
        select r.* from slot_60 r
        where s.units = 12 and r.agent_id = s.agent_id and r.slot >= s.from_slot and r.slot < s.to_slot
          and r.slot >= %(since)s and r.slot < %(until)s
        offset 0
    ) r
    where s.units = 12
    union all
    select s.agent_id, s.units, r.slot, %(raw)s or r.stored_max > %(cutoff)s, r.series, r.reported,
           case when s.wants_n then r.n end, case when s.wants_total then r.total end,
           case when s.wants_high then r.high end, case when s.wants_last then r.last end
    from source s
    cross join lateral (
        select r.* from slot_5 r
        where s.units = 1 and r.agent_id = s.agent_id and r.slot >= s.from_slot and r.slot < s.to_slot
          and r.slot >= %(since)s and r.slot < %(until)s
        offset 0
    ) r
    where s.units = 1
),
late as materialized (
    select agent_id, units, slot from stored where late
),
again as materialized (
    select r.agent_id, r.width / 5 as units, r.slot, r.series, r.reported, r.n, r.total, r.high, r.last
    from slots_of(
        array(select agent_id from late), array(select (units * 5)::smallint from late), array(select slot from late),
        %(cutoff)s
    ) r
    where exists (select from late)
),
slots as materialized (
    select agent_id, units, slot, slot / 288 * 288 as day, series, reported, n, total, high, last
    from stored where not late
    union all
    select agent_id, units, slot, slot / 288 * 288, series, reported, n, total, high, last from again
),
-- Series of one agent in one order: few lists in many slots.
layout as materialized (
    select agent_id, units, series, range_agg(int4range(slot, slot + units)) as spans
    from slots
    group by agent_id, units, series
),
measured_by as materialized (
    select k.series_id, k.agent_id, range_agg(l.spans) as spans
    from (select agent_id, units, unnest(series) as series_id, spans from layout) l
    join known k on k.series_id = l.series_id and k.agent_id = l.agent_id
    group by k.series_id, k.agent_id
),
measured as materialized (
    select
        series_id, range_agg(spans) as spans,
        count(*) > 1 and sum((select sum(upper(x) - lower(x)) from unnest(spans) x))
                         > (select sum(upper(x) - lower(x)) from unnest(range_agg(spans)) x) as contested
    from measured_by
    group by series_id
),
answered as materialized (
    select agent_id, units, source_type_id, range_agg(spans) as spans
    from (
        select agent_id, units, unnest(reported) as source_type_id, spans
        from (
            select agent_id, units, reported, range_agg(int4range(slot, slot + units)) as spans
            from slots
            group by agent_id, units, reported
        ) alike
    ) one
    group by agent_id, units, source_type_id
),
hidden as materialized (
    select f.series_id, range_agg(m.spans) filter (where f.before) as spans, range_agg(m.spans) as family
    from family f
    join measured m on m.series_id = f.other_id
    group by f.series_id
),
-- `whole`: the slots that are looked at, from the series' first reading on; `missing`: those without a reading, also so
-- many before as a value may be held.
piece as materialized (
    select
        b.*, k.agents, k.agent_id as only_agent, coalesce(m.contested, false) and b.kind = 'level' as contested,
        h.spans as hidden, h.family, coalesce(m.spans, '{}') as measured,
        int4multirange(int4range(greatest(b.from_slot, k.first_slot), b.to_slot)) - coalesce(h.spans, '{}') as whole,
        int4multirange(int4range(greatest(b.from_slot - b.hold, k.first_slot), b.to_slot))
        - coalesce(h.spans, '{}') - coalesce(m.spans, '{}') as missing
    from bound b
    join (
        select series_id, first_slot, agents, min(agent_id) as agent_id
        from known
        group by series_id, first_slot, agents
    ) k on k.series_id = b.series_id and k.first_slot < b.to_slot
    left join measured m on m.series_id = b.series_id
    left join hidden h on h.series_id = b.series_id
),
-- A hole begins behind a reading, or where looking begins.
hole as materialized (
    select
        p.piece, p.series_id, p.asset_id, p.source_type_id, p.kind, p.figure, p.units, p.hold, p.agents, p.only_agent,
        p.family, p.from_slot, p.to_slot, x as span,
        p.measured @> (lower(x) - p.units) and coalesce(not p.hidden @> (lower(x) - p.units), true) as after_reading
    from piece p
    cross join lateral unnest(p.missing) x
    where not isempty(p.missing)
),
-- The reading before a hole: who is asked what became of the series, and what is held.
before_hole as materialized (
    select h.*, m.agent_id
    from (
        select distinct series_id, figure, units, lower(span) - units as slot
        from hole
        where after_reading and (hold > 0 or agents > 1)
    ) h
    join measured_by m on m.series_id = h.series_id and m.spans @> h.slot
),
before as materialized (
    select distinct on (h.series_id, h.slot)
        h.series_id, h.slot, r.agent_id,
        slot_value(h.figure, r.n[place], r.total[place], r.high[place], r.last[place]) as value
    from before_hole h
    join slots r on r.agent_id = h.agent_id and r.units = h.units and r.slot = h.slot
    cross join lateral array_position(r.series, h.series_id) as place
    order by h.series_id, h.slot, r.n[place] desc, r.agent_id
),
-- Of several agents the one that reported it last; where looking began in a hole, found among the slots before.
judged as materialized (
    select
        h.*, b.value,
        int4multirange(h.span) * (
            coalesce(a.spans, '{}')
            + case
                when g.retired_at is null then '{}'::int4multirange
                else int4multirange(
                    int4range((slot_of(g.retired_at - interval '1 microsecond') + h.units) / h.units * h.units, null)
                )
            end
            + coalesce(off.spans, '{}')
        ) as absent
    from (
        select
            h.*,
            case
                when h.agents = 1 then h.only_agent
                when not h.after_reading then (
                    select r.agent_id
                    from known k
                    cross join lateral (
                        (
                            select r.slot, r.agent_id, r.n[array_position(r.series, h.series_id)] as n
                            from slot_60 r
                            where h.units = 12 and r.agent_id = k.agent_id and r.slot < lower(h.span)
                              and r.series @> array[h.series_id] and r.stored_max <= %(cutoff)s
                            order by r.slot desc
                            limit 1
                        )
                        union all
                        (
                            select r.slot, r.agent_id, r.n[array_position(r.series, h.series_id)]
                            from slot_5 r
                            where h.units = 1 and r.agent_id = k.agent_id and r.slot < lower(h.span)
                              and r.series @> array[h.series_id] and r.stored_max <= %(cutoff)s
                            order by r.slot desc
                            limit 1
                        )
                    ) r
                    where k.series_id = h.series_id
                    order by r.slot desc, r.n desc, r.agent_id
                    limit 1
                )
            end as asked_agent
        from hole h
    ) h
    left join before b on h.after_reading and b.series_id = h.series_id and b.slot = lower(h.span) - h.units
    left join agent g on g.id = coalesce(h.asked_agent, b.agent_id)
    left join answered a
        on a.agent_id = coalesce(h.asked_agent, b.agent_id) and a.units = h.units
        and a.source_type_id = h.source_type_id
    left join (
        select asset_id, range_agg(int4range((from_slot + 11) / 12 * 12, case when to_slot < 2147483647 then (to_slot + 11) / 12 * 12 end)) as spans
        from asset_pause
        where cause = 'disabled' and asset_id = any(array(select asset_id from hole))
        group by asset_id
    ) off on off.asset_id = h.asset_id
),
-- A hole that begins with a gap carries its reading on: until it was carried long enough, until somebody answers, or until
-- another series of the asset was measured.
held as materialized (
    select piece, series_id, value, generate_series(greatest(lower(span), from_slot), least(ends, to_slot) - units, units) as slot
    from (
        select
            j.*,
            least(
                lower(j.span) + j.hold, (select min(upper(x)) from unnest(int4multirange(j.span) - j.absent) x),
                (select min(lower(x)) from unnest(j.family * int4multirange(int4range(lower(j.span), null))) x)
            ) as ends
        from judged j
        where j.after_reading and j.hold > 0 and not j.absent @> lower(j.span)
    ) carried
),
uncovered as materialized (
    select
        j.piece,
        coalesce(sum((select sum(upper(x) - lower(x)) from unnest(j.absent * p.whole) x)), 0) as absent,
        coalesce(sum((select sum(upper(x) - lower(x)) from unnest(int4multirange(j.span) * p.whole) x)), 0) as missing
    from judged j
    join piece p on p.piece = j.piece
    group by j.piece
),
covered as materialized (
    select
        p.piece, p.segment, p.units,
        case
            when p.hidden is null then upper(p.whole) - lower(p.whole)
            else coalesce((select sum(upper(x) - lower(x)) from unnest(p.whole) x), 0)
        end as slots,
        coalesce(u.absent, 0) as absent, coalesce(u.missing, 0) as missing,
        case when p.fold = 'assets' and p.measured && int4range(p.from_slot, p.to_slot) then p.asset_id end as asset_id
    from piece p
    left join uncovered u on u.piece = p.piece
),
-- Amounts in slots in which nobody answered came later, with a tick that caught up.
spread as materialized (
    select p.segment, sum((select sum(upper(x) - lower(x)) from unnest(m.spans * p.whole) x) / p.units) as slots
    from piece p
    join (
        select m.series_id, t.source_type_id, range_agg(m.spans - coalesce(a.spans, '{}')) as spans
        from (select distinct series_id, source_type_id, units from piece where kind = 'amount') t
        join measured_by m on m.series_id = t.series_id
        left join answered a
            on a.agent_id = m.agent_id and a.units = t.units and a.source_type_id = t.source_type_id
        where not m.spans <@ coalesce(a.spans, '{}')
        group by m.series_id, t.source_type_id
    ) m on m.series_id = p.series_id
    where p.kind = 'amount'
    group by p.segment
),
-- `key`, with the slot where `mask` lets it through and its day where `day_mask` does, is what is folded by. Most readings
-- are `plain`: one in a slot, each slot counts. Of `last` the ends of days are asked for on top, by keys of their own.
valued as materialized (
    select piece, series_id, figure, units, from_slot, to_slot, contested, hidden, line << 32 as key,
           case when by_slot then -1 else 0 end::bigint as mask,
           case when fold = 'total' and days_from is not null then -1 else 0 end::bigint as day_mask,
           case when fold = 'last' then last_slot end as only_slot, false as day_ends,
           fold <> 'last' and hidden is null and not contested as plain
    from piece
    where fold <> 'assets'
    union all
    select piece, series_id, figure, units, greatest(from_slot, days_from), to_slot, contested, hidden,
           line << 32 | 2147483648, -1, 0, null, true, false
    from piece
    where fold = 'last' and days_from is not null
),
-- Read twice, and so not at all the second time where everything is plain.
cell as materialized (
    select p.key | (c.slot & p.mask) | (c.day & p.day_mask) as key, p.contested, p.piece, c.slot, c.agent_id, c.n,
           slot_value(p.figure, c.n, c.total, c.high, c.last) as value
    from (
        select slot, day, agent_id, unnest(series) as series_id, unnest(n) as n, unnest(total) as total, unnest(high) as high,
               unnest(last) as last
        from slots
        where slot = any(array(select only_slot from valued))
           or exists (select from valued where only_slot is null and not plain and not day_ends)
           or (slot + units) %% 288 = 0 and exists (select from valued where day_ends)
    ) c
    join valued p
        on p.series_id = c.series_id and p.from_slot <= c.slot and c.slot < p.to_slot and not p.plain
        and (p.only_slot is null or c.slot = p.only_slot) and (not p.day_ends or (c.slot + p.units) %% 288 = 0)
        and (p.hidden is null or not p.hidden @> c.slot)
),
folded as (
    select key, sum(value) as total, max(value) as high
    from (
        select p.key | (c.slot & p.mask) | (c.day & p.day_mask) as key,
               slot_value(p.figure, c.n, c.total, c.high, c.last) as value
        from (
            select slot, day, unnest(series) as series_id, unnest(n) as n, unnest(total) as total, unnest(high) as high,
                   unnest(last) as last
            from slots
        ) c
        join valued p on p.series_id = c.series_id and p.from_slot <= c.slot and c.slot < p.to_slot and p.plain
        union all
        select key, value
        from cell
        where not contested
        union all
        select key, value
        from (
            select distinct on (piece, key, slot) key, value
            from cell
            where contested
            order by piece, key, slot, n desc, agent_id
        ) chosen
        union all
        select p.key | (h.slot & p.mask) | (h.slot / 288 * 288 & p.day_mask), h.value
        from held h
        join valued p on p.piece = h.piece
        where (p.only_slot is null or h.slot = p.only_slot)
          and (not p.day_ends or (h.slot + p.units) %% 288 = 0 and h.slot >= p.from_slot) and (p.hidden is null or not p.hidden @> h.slot)
    ) cells
    group by key
),
lines as materialized (
    select distinct on (line) line, segment, fold, place, by_slot, days_from from bound order by line
),
ranked as (
    select line, value
    from (
        select l.line, f.total as value, l.place, row_number() over (partition by l.line order by f.total desc) as nth
        from lines l
        join folded f on f.key >> 32 = l.line
        where l.place is not null
    ) ordered
    where nth = place
),
summed as (
    select
        l.segment, sum(f.total) as total, max(f.slot_high) as high, min(f.slot_low) as low, sum(f.slots) as slots,
        sum(case when l.by_slot then f.slot_high else f.high end) as maxima
    from (
        select key >> 32 as line, sum(total) as total, max(high) as high, max(total) as slot_high, min(total) as slot_low,
               count(*) as slots
        from folded
        where key & 2147483648 = 0
        group by key >> 32
    ) f
    join lines l on l.line = f.line
    group by l.segment
),
-- Slots in which something is bound: the lowest value is 0 where one of them is without any.
filled as (
    select segment, (select sum(upper(x) - lower(x)) from unnest(spans) x) / units as slots
    from (
        select segment, units, range_agg(int4range(from_slot, to_slot)) as spans
        from bound
        where fold = 'slots'
        group by segment, units
    ) b
),
listed as (
    select l.segment, array_agg((f.key & 4294967295)::integer) as slots, array_agg(f.total) as slot_values
    from lines l
    join folded f on f.key >> 32 = l.line
    where l.fold = 'values'
    group by l.segment
),
-- As domain/daily.py wants them: filled slots (where single slots are not looked at, 1), total, high, low, last, values.
daily as (
    select segment, json_agg(json_build_array(day, filled, total, high, low, last, slot_values) order by day) as days
    from (
        select
            l.segment, (f.key & 2147483647)::integer / 288 * 288 as day, count(*) as filled, sum(f.total) as total,
            case when l.fold = 'slots' then max(f.total) end as high,
            case when l.fold = 'slots' then min(f.total) end as low,
            case when l.fold = 'last' then sum(f.total) end as last,
            array_agg(f.total order by f.total) filter (where l.place is not null) as slot_values
        from lines l
        join folded f on f.key >> 32 = l.line and f.key & 2147483647 >= l.days_from
        where l.fold in ('total', 'slots') or l.fold = 'last' and f.key & 2147483648 <> 0
        group by l.segment, l.fold, day
    ) of_day
    group by segment
),
carried as (
    select p.segment, count(*) as slots
    from held h
    join piece p on p.piece = h.piece
    where p.hidden is null or not p.hidden @> h.slot
    group by p.segment
),
behind as (
    select distinct b.segment
    from late l
    join known k on k.agent_id = l.agent_id and k.units = l.units
    join bound b on b.series_id = k.series_id and b.from_slot - b.hold <= l.slot and l.slot < b.to_slot
)
select
    (b.segment >> 32)::integer as segment, b.segment & 4294967295 as asset_id, coalesce(s.total, 0) as total, coalesce(s.high, 0) as high,
    case when coalesce(s.slots, 0) < f.slots then 0 else coalesce(s.low, 0) end as low,
    coalesce(r.value, 0) as ranked, coalesce(s.maxima, 0) as maxima, coalesce(c.assets, 0) as assets,
    coalesce(c.measured, 0)::bigint as measured, coalesce(c.absent, 0)::bigint as absent, coalesce(c.gap, 0)::bigint as gap,
    coalesce(p.slots, 0)::bigint as spread, b.segment in (select segment from behind) as late,
    coalesce(h.slots, 0)::bigint as held, coalesce(v.slots, '{}') as slots, coalesce(v.slot_values, '{}') as slot_values,
    coalesce(d.days, '[]') as days
from (select distinct segment from bound) b
left join summed s on s.segment = b.segment
left join filled f on f.segment = b.segment
left join (
    select
        segment, sum((slots - missing) / units) as measured, sum(absent / units) as absent,
        sum((missing - absent) / units) as gap, count(distinct asset_id) as assets
    from covered
    group by segment
) c on c.segment = b.segment
left join spread p on p.segment = b.segment
left join carried h on h.segment = b.segment
left join listed v on v.segment = b.segment
left join daily d on d.segment = b.segment
left join (select l.segment, r.value from ranked r join lines l on l.line = r.line) r on r.segment = b.segment
order by b.segment
