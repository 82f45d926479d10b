-- Usage that came after its time was billed for good and is corrected no more.

-- name: clients
-- Those whose finalised time reaches beyond this slot.
select id, finalised_slot from client where finalised_slot > %(slot)s order by id

-- name: note
-- Of the slots that are about to be rolled up, ticks stored after what was finalised there and since the slots were rolled up
-- last: a slot may wait for ticks of the half minute that a group takes to commit, which are looked for again. Each is
-- listed by the slot of its own time, and once.
with asked as materialized (
    select k.agent_id, k.width, k.slot, coalesce(h.stored_max, f.stored_max, '-infinity') as known_to
    from unnest(%(agents)s::bigint[], %(widths)s::smallint[], %(slots)s::integer[]) k (agent_id, width, slot)
    left join slot_60 h on k.width = 60 and h.agent_id = k.agent_id and h.slot = k.slot
    left join slot_5 f on k.width = 5 and f.agent_id = k.agent_id and f.slot = k.slot
    where k.slot < (select max(slot) from unnest(%(before)s::integer[]) as b (slot))
), come as materialized (
    select asked.slot, asked.width, t.agent_id, t.since, t.ticked_at, t.stored_at, item.series_id, item.value
    from asked
    cross join lateral (
        select * from tick
        where tick.agent_id = asked.agent_id and tick.ticked_at > slot_start(asked.slot)
            and tick.ticked_at <= slot_start(asked.slot + asked.width / 5)
            and tick.stored_at > asked.known_to - interval '1 minute'
        offset 0
    ) t
    cross join lateral unnest(t.series, t.value) as item (series_id, value)
)
insert into too_late (agent_id, series_id, value, since, ticked_at, stored_at, reason)
select come.agent_id, come.series_id, come.value, come.since, come.ticked_at, come.stored_at, 'look-back'
from come
join series s on s.id = come.series_id
join unit_type u on u.id = s.unit_type_id and u.slot_minutes = come.width
join binding b on b.series_id = come.series_id and b.from_slot <= come.slot and b.to_slot > come.slot
join bucket k on k.id = b.bucket_id
join unnest(%(clients)s::bigint[], %(before)s::integer[]) as past (client_id, before)
    on past.client_id = k.client_id and come.slot < past.before
join billing_reading r on r.bucket_id = b.bucket_id and r.from_slot <= come.slot and r.to_slot > come.slot
    and r.finalised_at is not null and come.stored_at > r.cutoff
where not exists (
    select from too_late l
    where l.series_id = come.series_id and l.agent_id = come.agent_id and l.ticked_at = come.ticked_at
        and l.since = come.since and l.stored_at = come.stored_at
)
