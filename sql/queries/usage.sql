-- What series measured: the newest reading, and day by day.

-- name: latest
-- The newest stored reading of each series. Looked for among the ticks after `recent`, of which a living series has one,
-- and else in the last slot that was measured: both by the index, however much there is.
with reporter as (
    select s.id as series_id, coalesce(m.agent_id, a.agent_id) as agent_id,
           slot_start(m.to_slot) as ended, make_interval(mins => u.slot_minutes) as width
    from series s
    join asset a on a.id = s.asset_id
    join unit_type u on u.id = s.unit_type_id
    left join series_agent m on m.series_id = s.id
    where s.id = any (%(series)s::integer[])
)
select distinct on (r.series_id)
       r.series_id, t.ticked_at, extract(epoch from t.ticked_at - t.since) as seconds, t.value
from reporter r
cross join lateral (
    (select k.ticked_at, k.since, k.value[array_position(k.series, r.series_id)] as value
     from tick k
     where k.agent_id = r.agent_id and k.ticked_at > %(recent)s::timestamptz
       and array_position(k.series, r.series_id) is not null
     order by k.ticked_at desc
     limit 1)
    union all
    (select k.ticked_at, k.since, k.value[array_position(k.series, r.series_id)]
     from tick k
     where k.agent_id = r.agent_id and k.ticked_at > r.ended - r.width and k.ticked_at <= r.ended
       and array_position(k.series, r.series_id) is not null
     order by k.ticked_at desc
     limit 1)
) t
order by r.series_id, t.ticked_at desc, r.agent_id

-- name: daily
-- Per series and day (UTC, as days since 1970; a slot is of the day in which it starts): the total of its slots, how many
-- readings and how many slots. Of two agents that report one series, amounts add; of a level the agent with more readings
-- in the slot counts, then the lower id. With `client_id` only slots in which the asset was assigned to that client.
with reporter as (
    select m.series_id, m.agent_id, u.kind, u.slot_minutes
    from series_agent m
    join series s on s.id = m.series_id
    join unit_type u on u.id = s.unit_type_id
    where m.series_id = any (%(series)s::integer[]) and m.to_slot > %(from_slot)s::integer
), reported as (
    select r.series_id, r.agent_id, r.kind, t.slot, t.n[p.position] as n, t.total[p.position] as total
    from reporter r
    join slot_60 t on t.agent_id = r.agent_id and t.slot >= %(from_slot)s and t.slot < %(to_slot)s::integer
    cross join lateral (select array_position(t.series, r.series_id) as position) p
    where r.slot_minutes = 60 and p.position is not null
    union all
    select r.series_id, r.agent_id, r.kind, t.slot, t.n[p.position], t.total[p.position]
    from reporter r
    join slot_5 t on t.agent_id = r.agent_id and t.slot >= %(from_slot)s and t.slot < %(to_slot)s
    cross join lateral (select array_position(t.series, r.series_id) as position) p
    where r.slot_minutes = 5 and p.position is not null
), measured as (
    select series_id, slot,
           case kind when 'amount' then sum(total) else (array_agg(total order by n desc, agent_id))[1] end as total,
           case kind when 'amount' then sum(n) else max(n) end as n
    from reported
    where %(client_id)s::bigint is null or exists (
        select from series s join assignment x on x.asset_id = s.asset_id
        where s.id = reported.series_id and x.client_id = %(client_id)s
          and x.from_slot <= reported.slot and x.to_slot > reported.slot)
    group by series_id, slot, kind
)
select series_id, slot / 288 as day, sum(total) as total, sum(n) as n, count(*)::integer as slots
from measured
group by series_id, slot / 288
order by series_id, day

-- name: rolled_up_to
-- End of the last slot, in 5-minute units, to which any agent of these series was rolled up; null when none was.
select greatest(
    (select max(t.slot) + 12 from slot_60 t
     where t.slot >= %(from_slot)s::integer and t.slot < %(to_slot)s::integer
       and t.agent_id in (select m.agent_id from series_agent m where m.series_id = any (%(series)s::integer[]))),
    (select max(t.slot) + 1 from slot_5 t
     where t.slot >= %(from_slot)s and t.slot < %(to_slot)s
       and t.agent_id in (select m.agent_id from series_agent m where m.series_id = any (%(series)s))))
