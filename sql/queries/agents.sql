-- Agents as the authority knows them.

-- name: register
-- A second certificate for the same name is for the same agent.
insert into agent (uuid, name, site) values (%(uuid)s, %(name)s, %(site)s) on conflict (name) do nothing

-- name: by_name
select id, uuid, name, site, state from agent where name = %(name)s

-- name: page
-- `silent_before`: only agents last heard of before it, by batch or heartbeat, or never since they exist; null: all.
with matching as (
    select a.id, case %(sort)s::text when 'state' then a.state when 'site' then a.site else lower(a.name) end collate "C"
               as txt,
           0::numeric as num,
           case %(sort)s when 'certificate_until' then coalesce(a.certificate_until, 'epoch')
               when 'created_at' then a.created_at else 'epoch' end as at
    from agent a
    where (%(search)s::text is null or a.name ilike %(search)s or a.site ilike %(search)s or a.uuid::text ilike %(search)s)
      and (%(state)s::text is null or a.state = %(state)s)
      and (%(silent_before)s::timestamptz is null or not (
           a.created_at >= %(silent_before)s
           or exists (select from agent_heartbeat h where h.agent_id = a.id and h.received_at >= %(silent_before)s)
           or exists (select from cursor c where c.agent_id = a.id and c.moved_at >= %(silent_before)s)))
), page as (
    select * from matching
    where %(after_id)s::bigint is null
       or (not %(descending)s::boolean and (txt, num, at, id)
           > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
       or (%(descending)s and (txt, num, at, id)
           < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
    order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
             case when not %(descending)s then at end, case when %(descending)s then at end desc,
             case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from matching) as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: rows
-- Batches and readings are all that were ever applied; a tombstone counts for the numbers it stands for.
select g.id, g.uuid, g.name, g.site, g.state, coalesce(h.version, s.version, '') as version,
       t.last_batch, coalesce(t.batches, 0)::bigint as batches, coalesce(t.readings, 0)::bigint as readings,
       s.agent_id is not null and s.disconnected_at is null as connected,
       h.received_at as heartbeat_at, coalesce(h.spool_bytes, 0) as spool_bytes,
       coalesce(h.spool_bytes_max, 0) as spool_bytes_max, coalesce(h.unacknowledged, 0) as unacknowledged, h.oldest_at,
       coalesce(h.spool_state, '') as spool_state, coalesce(h.clock_offset_ms, 0) as clock_offset_ms,
       coalesce(h.failed, '{}') as failed, coalesce(h.last_error, '') as last_error,
       (select count(*) from batch b where b.agent_id = g.id and b.lost_reason is not null) as tombstones,
       (select coalesce(sum(k.times), 0)::bigint from conflict k where k.agent_id = g.id) as conflicts,
       (select count(*) from quarantine q where q.agent_id = g.id and q.settled_at is null) as quarantined,
       g.certificate_until, g.state_reason, g.state_since, g.created_at, g.generation,
       (select count(*) from asset a where a.agent_id = g.id) as assets
from unnest(%(ids)s::bigint[]) k (id)
join agent g using (id)
left join agent_status s on s.agent_id = g.id
left join agent_heartbeat h on h.agent_id = g.id
left join lateral (
    select max(c.moved_at) as last_batch, sum(c.batches) as batches, sum(c.stored) as readings
    from cursor c
    where c.agent_id = g.id
) t on true

-- name: held
-- In key order, so that two acts on the same agents wait for each other.
select id, uuid, name, site, state from agent where id = any(%(ids)s::bigint[]) order by id for update

-- name: set_state
update agent
set state = %(state)s, state_reason = %(reason)s, state_since = clock_timestamp(),
    retired_at = case when %(state)s = 'retired' then clock_timestamp() end
where id = any(%(ids)s::bigint[])

-- name: forget_boots
-- The operator has decided which host it is: what was seen before says nothing about what comes.
delete from agent_boot where agent_id = any(%(ids)s::bigint[])
