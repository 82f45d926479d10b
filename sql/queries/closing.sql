-- How periods become final: what the close checklist is made of, finalising, adjustments, what came too late.
--
-- What is asked of several periods at once comes as arrays side by side: places, client_ids, from_slots, to_slots, starts, ends.

-- name: subject
-- What of a client decides when its periods are closed.
select id, name, finalised_slot, close_after_days, currency from client where id = any(%(client_ids)s::bigint[]) order by id

-- name: lock_client
-- Waits for a run that is at work on the client, as runs wait for this one; until the end of the transaction.
select pg_advisory_xact_lock(hashtextextended('ullage.billing.client', %(client_id)s))

-- name: patience
-- Longer than a run takes for one client; who waits longer is told to try again.
set local lock_timeout = '30s'

-- name: clock
select clock_timestamp()

-- name: move_finalised
-- Whoever changes what figures stand on shares the client's row: they are done before this, or see the time as finalised.
-- First of all in its transaction, because its trigger takes the lock that roll-ups take before they mark days.
update client set finalised_slot = %(to_slot)s
where id = %(client_id)s and finalised_slot = %(finalised_slot)s

-- name: silent
-- Agents that reported a bound series in the time it is bound, or as the last ones before, and of which nothing is stored
-- after the period's end.
with wanted as materialized (
    select *
    from unnest(
        %(places)s::integer[], %(client_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[],
        %(starts)s::timestamptz[], %(ends)s::timestamptz[]
    ) as w (place, client_id, from_slot, to_slot, starts, ends)
),
bound as materialized (
    select w.place, b.series_id, greatest(b.from_slot, w.from_slot) as from_slot, least(b.to_slot, w.to_slot) as to_slot
    from wanted w
    join bucket k on k.client_id = w.client_id
    join binding b on b.bucket_id = k.id and b.from_slot < w.to_slot and b.to_slot > w.from_slot
),
reporter as materialized (
    select place, agent_id
    from (
        select
            d.place, m.agent_id, m.to_slot > d.from_slot as within,
            m.to_slot = max(m.to_slot) over (partition by d.place, d.series_id, d.from_slot) as latest
        from bound d
        join series_agent m on m.series_id = d.series_id and m.from_slot < d.to_slot
    ) found
    where within or latest
    group by place, agent_id
)
select r.place, g.id as agent_id, g.name, (select max(c.moved_at) from cursor c where c.agent_id = g.id) as last_stored
from reporter r
join wanted w on w.place = r.place
join agent g on g.id = r.agent_id
where g.state <> 'retired'
    and not exists (select from tick t where t.agent_id = g.id and t.ticked_at > w.ends)
    and not exists (select from slot_60 s where s.agent_id = g.id and s.slot >= w.to_slot)
    and not exists (select from slot_5 s where s.agent_id = g.id and s.slot >= w.to_slot)
order by r.place, g.name

-- name: covered
with wanted as materialized (
    select *
    from unnest(%(places)s::integer[], %(client_ids)s::bigint[], %(starts)s::timestamptz[]) as w (place, client_id, starts)
)
select w.place, k.id as bucket_id, k.name, k.reviewed, r.measured, r.absent, r.gap
from wanted w
join bucket k on k.client_id = w.client_id
join billing_reading r on r.bucket_id = k.id and r.period_start = w.starts
order by w.place, k.name

-- name: quarantined
-- Of assets that were assigned to the client in the period; what belongs to nobody known holds up nobody.
with wanted as materialized (
    select *
    from unnest(
        %(places)s::integer[], %(client_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[],
        %(starts)s::timestamptz[], %(ends)s::timestamptz[]
    ) as w (place, client_id, from_slot, to_slot, starts, ends)
),
held as materialized (
    select q.agent_id, q.reason, q.since, q.ticked_at, coalesce(a.merged_into, a.id) as asset_id
    from quarantine q
    join agent g on g.id = q.agent_id
    join source_type t on t.name = q.source_type
    join asset a
        on a.source_type_id = t.id and a.external_id = q.external_id
        and a.scope = case t.scope when 'site' then 'site:' || g.site else 'agent:' || g.id end
    where q.settled_at is null
        and q.ticked_at > (select min(starts) from wanted) and q.since < (select max(ends) from wanted)
)
select w.place, h.agent_id, g.name, count(*) as readings, string_agg(distinct h.reason, ', ' order by h.reason) as reason
from wanted w
join assignment x on x.client_id = w.client_id and x.from_slot < w.to_slot and x.to_slot > w.from_slot
join held h on h.asset_id = x.asset_id and h.ticked_at > w.starts and h.since < w.ends
join agent g on g.id = h.agent_id
group by w.place, h.agent_id, g.name
order by w.place, g.name

-- name: unbound
-- Assets with slots in the time they were assigned to the client that are bound to no bucket at all. Series whose whole
-- unfinalised time is bound are no candidates.
with wanted as materialized (
    select *
    from unnest(
        %(places)s::integer[], %(client_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[]
    ) as w (place, client_id, from_slot, to_slot)
)
select distinct w.place, a.id as asset_id, a.name
from wanted w
join assignment x on x.client_id = w.client_id and x.from_slot < w.to_slot and x.to_slot > w.from_slot
join asset a on a.id = x.asset_id and a.enabled and a.disregarded_at is null and a.merged_into is null
join unbound_candidate u on u.asset_id = a.id
cross join lateral (
    select int4multirange(
        whole_slots(greatest(x.from_slot, w.from_slot), least(x.to_slot, w.to_slot), u.width)
    ) * u.measured as slots
) usage
where not isempty(usage.slots)
    and not usage.slots <@ coalesce(
        (
            select range_agg(whole_slots(b.from_slot, b.to_slot, u.width))
            from binding b
            where b.series_id = u.series_id
        ),
        '{}'
    )
order by w.place, a.name, a.id

-- name: bound
-- Buckets to which something is bound in the period, and the outermost slots.
with wanted as materialized (
    select *
    from unnest(
        %(places)s::integer[], %(client_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[]
    ) as w (place, client_id, from_slot, to_slot)
)
select w.place, k.id as bucket_id, k.name, min(greatest(b.from_slot, w.from_slot)) as from_slot,
       max(least(b.to_slot, w.to_slot)) as to_slot
from wanted w
join bucket k on k.client_id = w.client_id
join binding b on b.bucket_id = k.id and b.from_slot < w.to_slot and b.to_slot > w.from_slot
group by w.place, k.id, k.name
order by w.place, k.name

-- name: waiting
-- What is not worked out yet: slots in the period that agents of bound series touched, and assets to be bound anew.
with wanted as materialized (
    select *
    from unnest(
        %(places)s::integer[], %(client_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[]
    ) as w (place, client_id, from_slot, to_slot)
)
select
    w.place,
    (
        select count(distinct t.agent_id)
        from touched t
        where t.slot < w.to_slot and t.slot + t.width / 5 > w.from_slot
            and exists (
                select
                from series_agent m
                join binding b on b.series_id = m.series_id and b.from_slot < w.to_slot and b.to_slot > w.from_slot
                join bucket k on k.id = b.bucket_id
                where m.agent_id = t.agent_id and k.client_id = w.client_id
            )
    ) as agents,
    (
        select count(distinct a.id)
        from asset a
        join assignment x on x.asset_id = a.id and x.from_slot < w.to_slot and x.to_slot > w.from_slot
        where a.rebind and x.client_id = w.client_id
    ) as assets
from wanted w
order by w.place

-- name: acknowledged
with wanted as materialized (
    select *
    from unnest(%(places)s::integer[], %(client_ids)s::bigint[], %(starts)s::timestamptz[]) as w (place, client_id, starts)
)
select w.place, a.kind, a.subject, a.reason, a.made_by, a.made_at
from wanted w
join acknowledgement a on a.client_id = w.client_id and a.period_start = w.starts
order by w.place, a.id

-- name: acknowledge
insert into acknowledgement (client_id, period_start, kind, subject, reason, made_by)
select %(client_id)s, %(period_start)s, kind, subject, %(reason)s,
       coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user)
from unnest(%(kinds)s::text[], %(subjects)s::text[]) as given (kind, subject)
order by kind, subject
on conflict (client_id, period_start, kind, subject) do nothing

-- name: withdraw
delete from acknowledgement a
using unnest(%(kinds)s::text[], %(subjects)s::text[]) as given (kind, subject)
where a.client_id = %(client_id)s and a.period_start = %(period_start)s and a.kind = given.kind and a.subject = given.subject

-- name: finalise_readings
-- What they say of what was open is theirs from now on too.
update billing_reading r
set finalised_at = clock_timestamp(), open_items = %(open_items)s
from bucket b
where b.id = r.bucket_id and b.client_id = %(client_id)s and r.period_start = %(period_start)s and r.finalised_at is null

-- name: finalise_adjustments
update adjustment a
set finalised_at = clock_timestamp()
from bucket b
where b.id = a.bucket_id and b.client_id = %(client_id)s and a.in_start = %(period_start)s and a.finalised_at is null

-- name: readings_of
-- The buckets with a reading in the period.
select r.bucket_id
from bucket b
join billing_reading r on r.bucket_id = b.id and r.period_start = %(period_start)s
where b.client_id = %(client_id)s
order by r.bucket_id

-- name: adjusted
-- Starts of the periods in which unfinalised adjustments of the client stand.
select distinct a.in_start
from bucket b
join adjustment a on a.bucket_id = b.id
where b.client_id = %(client_id)s and a.finalised_at is null
order by a.in_start

-- name: finalised
-- Finalised readings of the periods that are corrected, and what adjustments that are final made of them. A currency's digits
-- are those of its amounts.
select r.bucket_id, r.period_start, r.currency, r.cutoff,
       r.quantity + coalesce(a.quantity, 0) as quantity, r.cost + coalesce(a.amount, 0) as cost
from bucket b
join billing_reading r on r.bucket_id = b.id and r.period_start = any(%(starts)s::timestamptz[])
left join (
    select bucket_id, period_start, sum(delta_quantity) as quantity, sum(amount) as amount
    from adjustment
    where finalised_at is not null
    group by bucket_id, period_start
) a on a.bucket_id = r.bucket_id and a.period_start = r.period_start
where b.client_id = %(client_id)s and r.finalised_at is not null
order by r.bucket_id, r.period_start

-- name: forget_marks
-- Days before the time that is corrected: what comes of them is too late.
delete from dirty d
using bucket b
where b.id = d.bucket_id and b.client_id = %(client_id)s and d.day_slot + 288 <= %(from_slot)s

-- name: save_adjustments
insert into adjustment as known (
    bucket_id, period_start, period_end, in_start, in_end, delta_quantity, currency, amount, cutoff, run_id, reason
)
select bucket_id, %(period_start)s, %(period_end)s, %(in_start)s, %(in_end)s, delta_quantity, currency, amount, %(cutoff)s,
       %(run_id)s, reason
from jsonb_to_recordset(%(lines)s) as g (bucket_id bigint, delta_quantity numeric, currency text, amount numeric, reason text)
order by bucket_id
on conflict (bucket_id, period_start, in_start) do update set
    in_end = excluded.in_end, delta_quantity = excluded.delta_quantity, currency = excluded.currency,
    amount = excluded.amount, cutoff = excluded.cutoff, run_id = excluded.run_id, reason = excluded.reason
where known.finalised_at is null
    and (known.in_end, known.delta_quantity, known.currency, known.amount, known.reason)
        is distinct from
        (excluded.in_end, excluded.delta_quantity, excluded.currency, excluded.amount, excluded.reason)

-- name: remove_adjustments
-- Lines that are none any more, or stand in a period that is not the earliest unfinalised one any more.
delete from adjustment
where bucket_id = any(%(bucket_ids)s::bigint[]) and period_start = %(period_start)s and finalised_at is null

-- name: late_batches
-- Who delivered what for the bucket's period after its reading's cutoff: batches are known by when they were stored.
with reporter as (
    select m.agent_id, array_agg(distinct m.series_id) as series
    from binding b
    join series_agent m on m.series_id = b.series_id
    where b.bucket_id = %(bucket_id)s and b.from_slot < slot_of(%(period_end)s) and b.to_slot > slot_of(%(period_start)s)
    group by m.agent_id
)
select g.name, count(distinct t.stored_at) as batches, min(t.stored_at) as first_at, max(t.stored_at) as last_at
from reporter r
join agent g on g.id = r.agent_id
join tick t
    on t.agent_id = r.agent_id and t.ticked_at > %(period_start)s and t.since < %(period_end)s
    and t.ticked_at < %(period_end)s::timestamptz + interval '31 days'
    and t.stored_at > %(since)s and t.stored_at <= %(cutoff)s and t.series && r.series
group by g.name
order by g.name
limit %(limit)s

-- name: period_page
-- Of all clients, or one: periods with readings or adjustments. A period is known by its client and the unit it starts in; the id
-- of a row here is both in one number. `state`: 0 all, 1 open, 2 ended and not finalised, 3 finalised. `overdue_before`: only
-- those that ended before it and are not finalised; null: all. `month`: only of this reporting month, by its first day.
with line as not materialized (
    select client_id, period_start as starts, period_end as ends, not provisional as final, cost as amount, month
    from billed_client
    where %(client_id)s::bigint is null or client_id = %(client_id)s
    union all
    select b.client_id, a.in_start, a.in_end, a.finalised_at is not null, a.amount, null
    from adjustment a
    join bucket b on b.id = a.bucket_id
    where %(client_id)s is null or b.client_id = %(client_id)s
), period as not materialized (
    select client_id, starts, max(ends) as ends, bool_and(final) as final, sum(amount) as total, max(month) as month
    from line
    group by client_id, starts
), matching as not materialized (
    select p.client_id << 32 | slot_of(p.starts) as id,
           case %(sort)s::text when 'client_name' then lower(c.name) collate "C" else '' end as txt,
           case %(sort)s
               when 'total' then p.total
               when 'buckets' then (
                   select count(*)
                   from bucket b
                   join billing_reading r on r.bucket_id = b.id and r.period_start = p.starts
                   where b.client_id = p.client_id
               )
               else 0 end as num,
           case %(sort)s when 'period_end' then p.ends when 'period_start' then p.starts else 'epoch' end as at
    from period p
    left join client c on c.id = p.client_id
    where case %(state)s::integer
            when 1 then p.ends > %(now)s::timestamptz and not p.final
            when 2 then p.ends <= %(now)s and not p.final
            when 3 then p.final
            else true end
      and (%(overdue_before)s::timestamptz is null or p.ends < %(overdue_before)s and not p.final)
      and (%(search)s::text is null or lower(c.name) like lower(%(search)s))
      -- Of a period with adjustments alone it is kept nowhere.
      and (%(month)s::date is null or coalesce(p.month, reporting_month(p.client_id, p.ends)) = %(month)s)
), page as (
    select * from matching
    where %(after_id)s::bigint is null
       or (not %(descending)s::boolean and (txt, num, at, id)
           > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
       or (%(descending)s and (txt, num, at, id)
           < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
    order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
             case when not %(descending)s then num end, case when %(descending)s then num end desc,
             case when not %(descending)s then at end, case when %(descending)s then at end desc,
             case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from matching) as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: period_rows
-- The total is in the currency of the period's readings; adjustments of a period before the client changed its currency are
-- not added to it.
with wanted as materialized (
    select id, id >> 32 as client_id, slot_start((id & 4294967295)::integer) as earliest
    from unnest(%(ids)s::bigint[]) as w (id)
), read as materialized (
    select w.id, min(r.period_start) as starts, max(r.period_end) as ends, count(*) as buckets, min(r.currency) as currency,
           sum(r.cost) as total, max(r.finalised_at) as finalised_at, bool_and(r.finalised_at is not null) as final,
           max(r.cutoff) as cutoff
    from wanted w
    join bucket b on b.client_id = w.client_id
    join billing_reading r
        on r.bucket_id = b.id and r.period_start >= w.earliest and r.period_start < w.earliest + interval '5 minutes'
    group by w.id
), corrected as materialized (
    select w.id, a.currency, min(a.in_start) as starts, max(a.in_end) as ends, sum(a.amount) as total,
           max(a.finalised_at) as finalised_at, bool_and(a.finalised_at is not null) as final, max(a.cutoff) as cutoff
    from wanted w
    join bucket b on b.client_id = w.client_id
    join adjustment a
        on a.bucket_id = b.id and a.in_start >= w.earliest and a.in_start < w.earliest + interval '5 minutes'
    group by w.id, a.currency
)
select w.id, w.client_id, c.name as client_name, coalesce(r.starts, a.starts) as starts, coalesce(r.ends, a.ends) as ends,
       coalesce(r.buckets, 0) as buckets, coalesce(r.currency, a.currency) as currency,
       coalesce(r.total, 0) + coalesce(a.total, 0) as total,
       coalesce(r.final, true) and coalesce(a.final, true) as final,
       greatest(r.finalised_at, a.finalised_at) as finalised_at, greatest(r.cutoff, a.cutoff) as cutoff
from wanted w
join client c on c.id = w.client_id
left join read r on r.id = w.id
left join lateral (
    select * from corrected a
    where a.id = w.id and (r.id is null or a.currency = r.currency)
    order by a.currency
    limit 1
) a on true
where r.id is not null or a.id is not null

-- name: adjustment_page
with matching as not materialized (
    select a.id,
           case %(sort)s::text
               when 'client_name' then lower(c.name) collate "C"
               when 'bucket_name' then lower(b.name) collate "C"
               else '' end as txt,
           case %(sort)s when 'amount' then a.amount else 0 end as num,
           case %(sort)s when 'in_start' then a.in_start else 'epoch' end as at
    from adjustment a
    left join bucket b on b.id = a.bucket_id
    left join client c on c.id = b.client_id
    where (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
      and (%(bucket_id)s::bigint is null or a.bucket_id = %(bucket_id)s)
), page as (
    select * from matching
    where %(after_id)s::bigint is null
       or (not %(descending)s::boolean and (txt, num, at, id)
           > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
       or (%(descending)s and (txt, num, at, id)
           < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
    order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
             case when not %(descending)s then num end, case when %(descending)s then num end desc,
             case when not %(descending)s then at end, case when %(descending)s then at end desc,
             case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from matching) as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: adjustment_rows
select a.id, a.bucket_id, b.name as bucket_name, b.client_id, c.name as client_name, a.period_start, a.period_end, a.in_start,
       a.delta_quantity, a.currency, a.amount, a.finalised_at is not null as finalised, a.reason
from adjustment a
join bucket b on b.id = a.bucket_id
join client c on c.id = b.client_id
where a.id = any(%(ids)s::bigint[])

-- name: too_late_page
-- A reading belongs to the client that its asset was assigned to when it was read.
with matching as not materialized (
    select l.id, '' as txt, 0::numeric as num,
           case %(sort)s::text when 'ticked_at' then l.ticked_at else l.stored_at end as at
    from too_late l
    where %(client_id)s::bigint is null
       or exists (
           select
           from series s
           join assignment x on x.asset_id = s.asset_id
           where s.id = l.series_id and x.client_id = %(client_id)s
               and x.from_slot <= slot_of(l.ticked_at - interval '1 microsecond')
               and x.to_slot > slot_of(l.ticked_at - interval '1 microsecond')
       )
), page as (
    select * from matching
    where %(after_id)s::bigint is null
       or (not %(descending)s::boolean and (txt, num, at, id)
           > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
       or (%(descending)s and (txt, num, at, id)
           < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
    order by case when not %(descending)s then at end, case when %(descending)s then at end desc,
             case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from matching) as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: too_late_rows
select l.id, l.agent_id, g.name as agent_name, s.asset_id, a.name as asset_name, u.name as unit_type, l.value, l.since,
       l.ticked_at, l.stored_at, l.reason
from too_late l
join agent g on g.id = l.agent_id
join series s on s.id = l.series_id
join asset a on a.id = s.asset_id
join unit_type u on u.id = s.unit_type_id
where l.id = any(%(ids)s::bigint[])
