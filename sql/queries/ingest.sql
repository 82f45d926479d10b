-- Taking in batches: who the agent is, what its dictionary means, and the group commit.

-- name: agent_by_uuid
select id, uuid, name, site, state from agent where uuid = %(uuid)s

-- name: agents_not_active
-- Of those that are connected: whose streams must end.
select id, state from agent where id = any(%(ids)s::bigint[]) and state <> 'active'

-- name: agent_connected
-- Also marks the connection: its end is recorded only while no newer one has begun.
insert into agent_status (agent_id, version, boot_id, connected_at)
values (%(agent_id)s, %(version)s, %(boot_id)s, clock_timestamp())
on conflict (agent_id) do update
set version = excluded.version, boot_id = excluded.boot_id, connected_at = excluded.connected_at, disconnected_at = null
returning connected_at

-- name: agent_disconnected
update agent_status set disconnected_at = clock_timestamp()
where agent_id = %(agent_id)s and connected_at = %(connected_at)s

-- name: cursors_of_agent
select agent_id, epoch, last_seq from cursor where agent_id = %(agent_id)s and epoch = any(%(epochs)s::bytea[])

-- name: source_types
select id, name, scope from source_type

-- name: unit_types
select id, name, kind, slot_minutes from unit_type

-- name: agent_series
-- How many series the agent brought, and in which widths of slot.
select count(*) as series, coalesce(array_agg(distinct u.slot_minutes), '{}') as widths
from asset a
join series s on s.asset_id = a.id
join unit_type u on u.id = s.unit_type_id
where a.agent_id = %(agent_id)s

-- name: find_assets
-- The known ones among those asked for, by their number in the arrays from 1; whether what is said of them is new.
select k.n, a.id,
    (a.name, a.address, a.labels) is distinct from (k.name, k.address, k.labels::jsonb) as changed
from unnest(
    %(source_types)s::smallint[], %(scopes)s::text[], %(external_ids)s::text[],
    %(names)s::text[], %(addresses)s::text[], %(labels)s::text[]
) with ordinality k (source_type_id, scope, external_id, name, address, labels, n)
join asset a using (source_type_id, scope, external_id)

-- name: create_assets
-- In key order: two aggregators that create the same assets wait for each other, and never in a circle.
insert into asset (source_type_id, scope, external_id, name, address, labels, agent_id)
select k.source_type_id, k.scope, k.external_id, k.name, k.address, k.labels::jsonb, %(agent_id)s
from unnest(
    %(source_types)s::smallint[], %(scopes)s::text[], %(external_ids)s::text[],
    %(names)s::text[], %(addresses)s::text[], %(labels)s::text[]
) k (source_type_id, scope, external_id, name, address, labels)
order by k.source_type_id, k.scope, k.external_id
on conflict do nothing

-- name: update_assets
with held as (
    select a.id from asset a where a.id = any(%(ids)s::bigint[]) order by a.id for no key update
)
update asset a set name = k.name, address = k.address, labels = k.labels::jsonb, rebind = true
from unnest(%(ids)s::bigint[], %(names)s::text[], %(addresses)s::text[], %(labels)s::text[])
    k (id, name, address, labels)
join held using (id)
where a.id = k.id

-- name: find_series
select k.n, s.id
from unnest(%(asset_ids)s::bigint[], %(unit_type_ids)s::smallint[]) with ordinality k (asset_id, unit_type_id, n)
join series s using (asset_id, unit_type_id)

-- name: create_series
-- Flags the assets, those too that are flagged: a rebind under way has not seen the series and is about to clear the flag.
with fresh as (
    insert into series (asset_id, unit_type_id)
    select k.asset_id, k.unit_type_id
    from unnest(%(asset_ids)s::bigint[], %(unit_type_ids)s::smallint[]) k (asset_id, unit_type_id)
    order by k.asset_id, k.unit_type_id
    on conflict do nothing
    returning asset_id
), held as (
    select a.id from asset a where a.id in (select asset_id from fresh) order by a.id for no key update
)
update asset a set rebind = true from held where a.id = held.id

-- name: lock_ingest
-- Shared among groups; a run that reads its cutoff takes it exclusively for an instant.
select pg_advisory_xact_lock_shared(hashtextextended('ullage.ingest', 0))

-- name: clock
select clock_timestamp()

-- name: open_cursors
insert into cursor (agent_id, epoch, last_seq)
select k.agent_id, k.epoch, 0
from unnest(%(agents)s::bigint[], %(epochs)s::bytea[]) k (agent_id, epoch)
where (select count(*) from cursor c where c.agent_id = k.agent_id) < %(epochs_max)s
order by k.agent_id, k.epoch
on conflict do nothing

-- name: lock_cursors
-- In key order: unordered, two aggregators run into deadlocks.
select c.agent_id, c.epoch, c.last_seq
from unnest(%(agents)s::bigint[], %(epochs)s::bytea[]) k (agent_id, epoch)
join cursor c using (agent_id, epoch)
order by c.agent_id, c.epoch
for no key update of c

-- name: stored_hashes
select b.agent_id, b.epoch, b.seq, b.sha256
from unnest(%(agents)s::bigint[], %(epochs)s::bytea[], %(seqs)s::bigint[]) k (agent_id, epoch, seq)
join batch b using (agent_id, epoch, seq)

-- name: copy_ticks
copy tick (ticked_at, since, agent_id, reported, failed, series, value, stored_at) from stdin (format binary)

-- name: copy_batches
copy batch (agent_id, epoch, seq, sha256, received_at, stored_at, read, stored, quarantined, through)
from stdin (format binary)

-- name: copy_touched
copy touched (agent_id, width, slot) from stdin (format binary)

-- name: copy_quarantine
copy quarantine (agent_id, epoch, seq, source_type, external_id, unit_type, value, since, ticked_at, reason, stored_at)
from stdin

-- name: move_cursors
update cursor c set last_seq = k.last_seq
from unnest(%(agents)s::bigint[], %(epochs)s::bytea[], %(seqs)s::bigint[]) k (agent_id, epoch, last_seq)
where c.agent_id = k.agent_id and c.epoch = k.epoch

-- name: keep_rejected
-- Evidence for the operator, bounded: the agent keeps the payload as well.
insert into rejected_batch (agent_id, epoch, seq, sha256, payload, reason, rejected_at)
select %(agent_id)s, %(epoch)s, %(seq)s, %(sha256)s, %(payload)s, %(reason)s, clock_timestamp()
where (select count(*) from rejected_batch r where r.agent_id = %(agent_id)s) < %(batches_max)s
on conflict do nothing
