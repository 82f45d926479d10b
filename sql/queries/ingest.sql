-- Taking in batches: who the agent is, what its dictionary means, and the group commit.

-- name: agent_by_uuid
select id, uuid, name, site, state, state_reason, generation_min from agent where uuid = %(uuid)s

-- name: agents_not_active
-- Of those that are connected: whose streams must end, or may have to because their certificate was replaced by an
-- enrolment. After a restore an agent may be unknown, or its id another's.
select k.id, coalesce(a.state, 'not known here any more') as state, coalesce(a.state_reason, '') as state_reason,
    coalesce(a.generation_min, 0) as generation_min
from unnest(%(ids)s::bigint[], %(uuids)s::uuid[]) k (id, uuid)
left join agent a using (id, uuid)
where a.state is distinct from 'active' or a.generation_min > 0

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

-- name: need_not_last
set local synchronous_commit = off

-- name: heartbeat
-- No row unless the agent is known and active and the certificate not replaced; else its id and name, and the boot that the
-- last heartbeat was of, null at the first.
with known as (
    select a.id, a.name, (select h.boot_id from agent_heartbeat h where h.agent_id = a.id) as boot_before
    from agent a
    where a.uuid = %(uuid)s and a.state = 'active' and a.generation_min <= %(generation)s
), said as (
insert into agent_heartbeat (
    agent_id, received_at, version, boot_id, clock_offset_ms, spool_bytes, spool_bytes_max, unacknowledged, oldest_at,
    spool_state, failed, last_error, tombstones, counter_resets
)
select a.id, clock_timestamp(), %(version)s, %(boot_id)s, %(clock_offset_ms)s, %(spool_bytes)s, %(spool_bytes_max)s,
    %(unacknowledged)s, %(oldest_at)s, %(spool_state)s, %(failed)s, %(last_error)s, %(tombstones)s, %(counter_resets)s
from known a
on conflict (agent_id) do update
set received_at = excluded.received_at, version = excluded.version, boot_id = excluded.boot_id,
    clock_offset_ms = excluded.clock_offset_ms, spool_bytes = excluded.spool_bytes,
    spool_bytes_max = excluded.spool_bytes_max, unacknowledged = excluded.unacknowledged, oldest_at = excluded.oldest_at,
    spool_state = excluded.spool_state, failed = excluded.failed, last_error = excluded.last_error,
    tombstones = excluded.tombstones, counter_resets = excluded.counter_resets
)
select id, name, boot_before from known

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
join series s on coalesce(s.merged_from, s.asset_id) = a.id
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
-- By the asset of which they were reported, also where that was merged into another.
select k.n, s.id
from unnest(%(asset_ids)s::bigint[], %(unit_type_ids)s::smallint[]) with ordinality k (asset_id, unit_type_id, n)
join series s on coalesce(s.merged_from, s.asset_id) = k.asset_id and s.unit_type_id = k.unit_type_id

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

-- name: world
-- `base` is another after a restart, a failover or a restore: what was learnt from the database before may mean something
-- else in it.
select r.version,
    concat_ws(
        '/', (select d.oid from pg_database d where d.datname = current_database()), 'series'::regclass::oid,
        pg_relation_filenode('series'), extract(epoch from pg_postmaster_start_time())
    ) as base
from rules_version r

-- name: clock_and_world
select clock_timestamp(), r.version,
    concat_ws(
        '/', (select d.oid from pg_database d where d.datname = current_database()), 'series'::regclass::oid,
        pg_relation_filenode('series'), extract(epoch from pg_postmaster_start_time())
    ) as base
from rules_version r

-- name: one_look
set transaction isolation level repeatable read, read only

-- name: suppressions
select id, field, operator, pattern from suppression where ended_at is null order by id

-- name: stopped_agents
select id, state from agent where state <> 'active'

-- name: floor
-- Oldest time from which raw readings are complete; the beginning of time where none was ever dropped.
select greatest(floor, timestamptz '0001-01-01 00:00:00+00') from raw_floor

-- name: hold_agents
-- Before new epochs are judged: of two that follow the same one only the first is let in. In key order, and before cursors.
select id from agent where id = any(%(ids)s::bigint[]) order by id for no key update

-- name: open_cursors
-- Lets new epochs in: an agent's first, one that names the newest as its predecessor, one that names none (its spool was
-- lost), one that names an epoch unknown here (this database was set back). Not one whose predecessor was followed already.
with judged as (
    select k.agent_id, k.epoch, nullif(k.predecessor, ''::bytea) as predecessor, newest.epoch as newest,
        case
            when newest.epoch is null then 'first'
            when k.predecessor = ''::bytea then 'unnamed'
            when k.predecessor = newest.epoch then 'next'
            when not exists (select from cursor p where p.agent_id = k.agent_id and p.epoch = k.predecessor)
                then 'unknown'
            else 'behind'
        end as began
    from unnest(%(agents)s::bigint[], %(epochs)s::bytea[], %(predecessors)s::bytea[]) k (agent_id, epoch, predecessor)
    join agent a on a.id = k.agent_id and a.state = 'active'
    left join lateral (
        select c.epoch from cursor c
        where c.agent_id = k.agent_id and c.epoch <> %(own_epoch)s
        order by c.opened_at desc
        limit 1
    ) newest on true
    where not exists (select from cursor c where c.agent_id = k.agent_id and c.epoch = k.epoch)
        and (select count(*) from cursor c where c.agent_id = k.agent_id) < %(epochs_max)s
), refused as (
    insert into epoch_refused (agent_id, epoch, predecessor, first_at, last_at)
    select j.agent_id, j.epoch, j.predecessor, clock_timestamp(), clock_timestamp()
    from judged j
    where j.began = 'behind'
    order by j.agent_id, j.epoch
    on conflict (agent_id, epoch) do update set last_at = excluded.last_at
)
insert into cursor (agent_id, epoch, last_seq, predecessor, began)
select j.agent_id, j.epoch, 0, j.predecessor, j.began
from judged j
where j.began <> 'behind'
order by j.agent_id, j.epoch
on conflict do nothing

-- name: not_opened
-- Why there is no cursor for these: the newest epoch of an agent that is known and active, if it may have another one.
select k.agent_id, k.epoch, coalesce(a.state, 'unknown') as state,
    (select count(*) from cursor c where c.agent_id = k.agent_id) as epochs,
    (select c.epoch from cursor c where c.agent_id = k.agent_id and c.epoch <> %(own_epoch)s
     order by c.opened_at desc limit 1) as newest
from unnest(%(agents)s::bigint[], %(epochs)s::bytea[]) k (agent_id, epoch)
left join agent a on a.id = k.agent_id

-- name: open_own_cursor
insert into cursor (agent_id, epoch, last_seq) values (%(agent_id)s, %(epoch)s, 0) on conflict do nothing

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
copy batch (
    agent_id, epoch, seq, sha256, received_at, stored_at, read, stored, quarantined, suppressed, clock_offset_ms,
    clock_corrected, clock_flagged, through
) from stdin (format binary)

-- name: insert_lost
insert into batch (
    agent_id, epoch, seq, through, sha256, received_at, stored_at, read, stored, quarantined, clock_offset_ms,
    clock_flagged, lost_reason, lost_from, lost_to, lost_detail
) values (
    %(agent_id)s, %(epoch)s, %(seq)s, %(through)s, %(sha256)s, %(received_at)s, %(stored_at)s, 0, 0, 0,
    %(clock_offset_ms)s, %(clock_flagged)s, %(reason)s, %(from)s, %(to)s, %(detail)s
)

-- name: copy_touched
copy touched (agent_id, width, slot) from stdin (format binary)

-- name: copy_quarantine
copy quarantine (agent_id, epoch, seq, source_type, external_id, unit_type, value, since, ticked_at, reason, stored_at)
from stdin

-- name: copy_too_late
copy too_late (agent_id, series_id, value, since, ticked_at, stored_at, reason) from stdin

-- name: quarantined_today
-- Rows that agents have in quarantine since midnight UTC.
select d.agent_id, sum(d.kept)::bigint as kept
from quarantine_day d
where d.agent_id = any(%(agents)s::bigint[]) and d.day = (%(at)s::timestamptz at time zone 'UTC')::date
group by d.agent_id

-- name: count_quarantined
insert into quarantine_day (agent_id, day, reason, kept, counted_only)
select k.agent_id, (%(at)s::timestamptz at time zone 'UTC')::date, k.reason, k.kept, k.counted_only
from unnest(%(agents)s::bigint[], %(reasons)s::text[], %(kept)s::bigint[], %(counted_only)s::bigint[])
    k (agent_id, reason, kept, counted_only)
order by k.agent_id, k.reason
on conflict (agent_id, day, reason) do update
set kept = quarantine_day.kept + excluded.kept, counted_only = quarantine_day.counted_only + excluded.counted_only

-- name: count_suppressed
-- Assets that are not counted yet are remembered in the order of their key, so that groups wait for each other in no circle,
-- up to a number per agent. What is beyond it makes the count one of *at least*.
with fresh as materialized (
    select k.rule, k.agent_id, k.asset, row_number() over (partition by k.agent_id order by k.rule, k.asset) as place
    from unnest(%(asset_rules)s::bigint[], %(asset_agents)s::bigint[], %(assets)s::bytea[]) k (rule, agent_id, asset)
    where not exists (
        select from suppressed_asset s where s.suppression_id = k.rule and s.asset = k.asset
    )
), held as materialized (
    select a.agent_id, f.counted
    from (select distinct agent_id from fresh) a
    cross join lateral (
        select coalesce(sum(h.counted_assets), 0) as counted from suppression_hit h where h.agent_id = a.agent_id
    ) f
), remembered as (
    insert into suppressed_asset (suppression_id, asset, agent_id)
    select f.rule, f.asset, f.agent_id
    from fresh f
    join held h on h.agent_id = f.agent_id
    where h.counted + f.place <= %(assets_max)s::bigint
    order by f.rule, f.asset
    on conflict do nothing
    returning suppression_id, agent_id
)
insert into suppression_hit (suppression_id, agent_id, counted_assets, more_assets, readings, last_hit_at)
select k.rule, k.agent_id,
       (select count(*) from remembered r where r.suppression_id = k.rule and r.agent_id = k.agent_id),
       exists (
           select from fresh f
           join held h on h.agent_id = f.agent_id
           where f.rule = k.rule and f.agent_id = k.agent_id and h.counted + f.place > %(assets_max)s
       ),
       k.readings, %(at)s
from unnest(%(rules)s::bigint[], %(agents)s::bigint[], %(readings)s::bigint[]) k (rule, agent_id, readings)
order by k.rule, k.agent_id
on conflict (suppression_id, agent_id) do update
set counted_assets = suppression_hit.counted_assets + excluded.counted_assets,
    more_assets = suppression_hit.more_assets or excluded.more_assets,
    readings = suppression_hit.readings + excluded.readings, last_hit_at = excluded.last_hit_at

-- name: move_cursors
update cursor c
set last_seq = k.last_seq, moved_at = %(at)s, batches = c.batches + k.last_seq - c.last_seq, read = c.read + k.read,
    stored = c.stored + k.stored, quarantined = c.quarantined + k.quarantined, suppressed = c.suppressed + k.suppressed
from unnest(
    %(agents)s::bigint[], %(epochs)s::bytea[], %(seqs)s::bigint[], %(read)s::bigint[], %(stored)s::bigint[],
    %(quarantined)s::bigint[], %(suppressed)s::bigint[]
) k (agent_id, epoch, last_seq, read, stored, quarantined, suppressed)
where c.agent_id = k.agent_id and c.epoch = k.epoch

-- name: keep_conflict
-- Evidence for the operator, bounded; the count goes on.
insert into conflict (agent_id, epoch, seq, sha256, payload, first_at, last_at, times)
select %(agent_id)s, %(epoch)s, %(seq)s, %(sha256)s, %(payload)s, clock_timestamp(), clock_timestamp(), 1
where (select count(*) from conflict c where c.agent_id = %(agent_id)s) < %(conflicts_max)s
    or exists (
        select from conflict c
        where (c.agent_id, c.epoch, c.seq, c.sha256) = (%(agent_id)s, %(epoch)s, %(seq)s, %(sha256)s)
    )
on conflict (agent_id, epoch, seq, sha256) do update set last_at = excluded.last_at, times = conflict.times + 1

-- name: keep_rejected
-- Evidence for the operator, bounded: the agent keeps the payload as well.
insert into rejected_batch (agent_id, epoch, seq, sha256, payload, reason, rejected_at)
select %(agent_id)s, %(epoch)s, %(seq)s, %(sha256)s, %(payload)s, %(reason)s, clock_timestamp()
where (select count(*) from rejected_batch r where r.agent_id = %(agent_id)s) < %(batches_max)s
on conflict do nothing
