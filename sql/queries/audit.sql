-- Who changed which record, and the setting back of what was changed.

-- name: act_as
-- Until the transaction ends; the triggers read it.
select set_config('ullage.actor', %(actor)s, true), set_config('ullage.key_id', %(key_id)s, true),
       set_config('ullage.request_id', %(request_id)s, true), set_config('ullage.act', %(act)s, true)

-- name: group_of
-- The audit group of this transaction; 0 before anything audited was changed in it.
select coalesce(nullif(current_setting('ullage.audit_group', true), ''), '0')::bigint

-- name: page
-- Which entries, the newest first: ids of one page, and how many there are in all, counted up to `total_max`.
with matching as not materialized (
    select e.id
    from audit_entry e
    join audit_group g on g.id = e.group_id
    where (%(table)s::text is null or e.table_name = %(table)s)
        and (%(record_id)s::text is null or e.record_id = %(record_id)s)
        and (%(actor)s::text is null or g.actor = %(actor)s)
        and (%(group_id)s::bigint is null or e.group_id = %(group_id)s)
        and (%(since)s::timestamptz is null or g.at >= %(since)s)
        and (%(until)s::timestamptz is null or g.at < %(until)s)
), page as (
    select id from matching
    where %(after_id)s::bigint is null or (%(descending)s::boolean and id < %(after_id)s)
        or (not %(descending)s and id > %(after_id)s)
    order by case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from (select from matching limit %(total_max)s::integer) counted) as total,
       array(select id from page) as ids,
       array(select '' from page) as texts,
       array(select 0::numeric from page) as numbers,
       array(select 'epoch'::timestamptz from page) as times

-- name: entries
-- With the tables and columns of their whole groups, by which a group can be undone or not.
with wanted as (
    select id, group_id from audit_entry where id = any(%(ids)s::bigint[])
), kinds as (
    select e.group_id, jsonb_agg(distinct jsonb_build_array(e.table_name, e.action, k.keys)) as kinds
    from audit_entry e
    cross join lateral (
        select case e.action when 'update' then (
            select coalesce(jsonb_agg(key order by key), '[]') from jsonb_object_keys(e.new_values) key
        ) else '[]' end as keys
    ) k
    where e.group_id in (select group_id from wanted)
    group by e.group_id
)
select e.id, e.group_id, g.at, g.actor, g.act, e.action, e.table_name, e.record_id, e.old_values::text as old_values,
       e.new_values::text as new_values, g.undone_by, g.undoes, k.kinds
from wanted w
join audit_entry e on e.id = w.id
join audit_group g on g.id = e.group_id
join kinds k on k.group_id = e.group_id

-- name: group
select g.id, g.at, g.actor, g.key_id, g.request_id, g.act, g.undoes, g.undone_by,
       (select count(*) from audit_entry e where e.group_id = g.id) as entries
from audit_group g
where g.id = %(id)s

-- name: kinds
-- Tables, acts and columns that a group changed, each once.
select distinct e.table_name, e.action,
    case e.action when 'update' then array(select key from jsonb_object_keys(e.new_values) key order by key)
    else '{}'::text[] end as columns
from audit_entry e
where e.group_id = %(id)s

-- name: first_entries
select e.id, e.group_id, g.at, g.actor, g.act, e.action, e.table_name, e.record_id, e.old_values::text as old_values,
       e.new_values::text as new_values, g.undone_by, g.undoes, null::jsonb as kinds
from audit_entry e
join audit_group g on g.id = e.group_id
where e.group_id = %(id)s
order by e.id
limit %(limit)s

-- name: hold
-- One undo of a group at a time.
select id from audit_group where id = %(id)s for update

-- name: undoes
-- For the group that this transaction will have.
select set_config('ullage.undoes', %(id)s::text, true)

-- name: undone
update audit_group set undone_by = %(by)s where id = %(id)s

-- name: concerned
-- Assets whose time a group decided about.
with net as materialized (
    select table_name, record_id, coalesce(old_values, '{}') || coalesce(new_values, '{}') as said from audit_net(%(id)s)
)
select distinct asset_id as id
from (
    select record_id::bigint as asset_id from net where table_name = 'asset'
    union all
    select coalesce((n.said ->> 'asset_id')::bigint, x.asset_id)
    from net n
    left join assignment x on x.id = n.record_id::bigint
    where n.table_name = 'assignment'
    union all
    select coalesce((n.said ->> 'asset_id')::bigint, x.asset_id)
    from net n
    left join asset_pause x on x.id = n.record_id::bigint
    where n.table_name = 'asset_pause'
    union all
    select s.asset_id
    from net n
    left join binding x on x.id = n.record_id::bigint
    join series s on s.id = coalesce((n.said ->> 'series_id')::integer, x.series_id)
    where n.table_name = 'binding'
) found
where asset_id is not null
order by 1

-- name: concerned_rules
-- Assignment rules a group decided about, with their conditions before, after and now.
select n.record_id::bigint as id, coalesce(c.conditions, '[]')::text as conditions, n.action
from audit_net(%(id)s) n
left join assignment_rule r on r.id = n.record_id::bigint
cross join lateral (
    select jsonb_agg(v) filter (where v is not null) as conditions
    from unnest(array[n.old_values -> 'conditions', n.new_values -> 'conditions', r.conditions]) v
) c
where n.table_name = 'assignment_rule'

-- name: concerned_buckets
-- Buckets whose filters or priority a group decided about, with the conditions before, after and now.
with net as materialized (
    select n.table_name, n.record_id, n.old_values, n.new_values,
           case n.table_name
               when 'bucket' then n.record_id::bigint
               else coalesce((n.old_values ->> 'bucket_id')::bigint, (n.new_values ->> 'bucket_id')::bigint, f.bucket_id)
           end as bucket_id
    from audit_net(%(id)s) n
    left join bucket_filter f on n.table_name = 'bucket_filter' and f.id = n.record_id::bigint
    where n.table_name = 'bucket_filter'
        or (n.table_name = 'bucket' and (n.new_values ? 'priority' or n.new_values ? 'enabled'))
)
select b.id, b.client_id, b.source_type_id, coalesce(c.conditions, '[]')::text as conditions
from bucket b
cross join lateral (
    select jsonb_agg(distinct said) as conditions
    from (
        select n.old_values -> 'conditions' as said from net n where n.bucket_id = b.id
        union all
        select n.new_values -> 'conditions' from net n where n.bucket_id = b.id
        union all
        select f.conditions from bucket_filter f where f.bucket_id = b.id
    ) s
    where said is not null
) c
where b.id in (select bucket_id from net)

-- name: differs
-- The first record that is not any more as the group left it, with who changed it last.
select d.table_name, d.record_id, g.actor, g.at, g.id as group_id
from audit_differs(%(id)s) d
left join lateral (
    select e.group_id from audit_entry e
    where e.table_name = d.table_name and e.record_id = d.record_id and e.group_id <> %(id)s
    order by e.id desc
    limit 1
) newest on true
left join audit_group g on g.id = newest.group_id
order by g.id desc nulls last, d.table_name, d.record_id
limit 1

-- name: set_back
select audit_set_back(%(id)s, %(table)s, %(step)s)

-- name: set_back_shorter
-- Of spans those that become shorter, before others become longer.
select audit_set_back(%(id)s, %(table)s, 'update', 'p.to_slot < t.to_slot')

-- name: set_back_longer
select audit_set_back(%(id)s, %(table)s, 'update', 'p.to_slot >= t.to_slot or p.to_slot is null')

-- name: set_back_assets
-- By turns: `decided`, which rules leave alone from then on; `left-alone`, which become disabled or disregarded; and all others.
select audit_set_back(
    %(id)s, 'asset', 'update',
    $which$ case
        when n.old_values @> '{"enabled": false}' or coalesce(n.old_values ->> 'disregarded_at', '') <> '' then 'left-alone'
        when n.old_values @> '{"assigned_by_hand": true}' then 'decided'
        else 'others'
    end = $which$ || quote_literal(%(turn)s)
)

-- name: assignments_in_the_way
-- Somebody else's decisions in time that is to be set back.
select x.id::text as record_id
from audit_net(%(id)s) n
left join assignment own on own.id = n.record_id::bigint
join assignment x on x.asset_id = coalesce((n.old_values ->> 'asset_id')::bigint, own.asset_id)
    and x.id <> n.record_id::bigint and x.rule_id is null
    and x.from_slot < coalesce((n.old_values ->> 'to_slot')::integer, own.to_slot)
    and x.to_slot > coalesce((n.old_values ->> 'from_slot')::integer, own.from_slot)
where n.table_name = 'assignment' and n.action <> 'insert'
    and not exists (
        select from audit_net(%(id)s) also where also.table_name = 'assignment' and also.record_id = x.id::text
    )
order by x.id
limit 1

-- name: bindings_in_the_way
select x.id::text as record_id
from audit_net(%(id)s) n
left join binding own on own.id = n.record_id::bigint
join binding x on x.series_id = coalesce((n.old_values ->> 'series_id')::integer, own.series_id)
    and x.id <> n.record_id::bigint and x.by_hand
    and x.from_slot < coalesce((n.old_values ->> 'to_slot')::integer, own.to_slot)
    and x.to_slot > coalesce((n.old_values ->> 'from_slot')::integer, own.from_slot)
where n.table_name = 'binding' and n.action <> 'insert'
    and not exists (
        select from audit_net(%(id)s) also where also.table_name = 'binding' and also.record_id = x.id::text
    )
order by x.id
limit 1

-- name: last_change
select e.table_name, e.record_id, g.actor, g.at, g.id as group_id
from audit_entry e
join audit_group g on g.id = e.group_id
where e.table_name = %(table)s and e.record_id = %(record_id)s
order by e.id desc
limit 1

-- name: end_rule
-- What a rule assigned, from where time is not finalised; rebinding decides anew about it.
delete from assignment x
using client c
where c.id = x.client_id and x.rule_id = any(%(rules)s::bigint[]) and x.from_slot >= c.finalised_slot

-- name: cut_rule
update assignment x set to_slot = c.finalised_slot
from client c
where c.id = x.client_id and x.rule_id = any(%(rules)s::bigint[])
    and x.from_slot < c.finalised_slot and x.to_slot > c.finalised_slot

-- name: clear_assignments
-- What rules assigned where a decision by hand is to be set back.
with room as materialized (
    select coalesce((n.old_values ->> 'asset_id')::bigint, own.asset_id) as asset_id,
           coalesce((n.old_values ->> 'from_slot')::integer, own.from_slot) as from_slot,
           coalesce((n.old_values ->> 'to_slot')::integer, own.to_slot) as to_slot
    from audit_net(%(id)s) n
    left join assignment own on own.id = n.record_id::bigint
    where n.table_name = 'assignment' and n.action <> 'insert'
)
delete from assignment x using room r
where x.asset_id = r.asset_id and x.rule_id is not null and x.from_slot >= r.from_slot and x.from_slot < r.to_slot

-- name: shorten_assignments
-- What rules assigned where a decision by hand is to be set back.
with room as materialized (
    select coalesce((n.old_values ->> 'asset_id')::bigint, own.asset_id) as asset_id,
           coalesce((n.old_values ->> 'from_slot')::integer, own.from_slot) as from_slot,
           coalesce((n.old_values ->> 'to_slot')::integer, own.to_slot) as to_slot
    from audit_net(%(id)s) n
    left join assignment own on own.id = n.record_id::bigint
    where n.table_name = 'assignment' and n.action <> 'insert'
)
update assignment x set to_slot = r.from_slot
from room r
where x.asset_id = r.asset_id and x.rule_id is not null and x.from_slot < r.from_slot and x.to_slot > r.from_slot

-- name: clear_bindings
with room as materialized (
    select coalesce((n.old_values ->> 'series_id')::integer, own.series_id) as series_id,
           coalesce((n.old_values ->> 'from_slot')::integer, own.from_slot) as from_slot,
           coalesce((n.old_values ->> 'to_slot')::integer, own.to_slot) as to_slot
    from audit_net(%(id)s) n
    left join binding own on own.id = n.record_id::bigint
    where n.table_name = 'binding' and n.action <> 'insert'
)
delete from binding x using room r
where x.series_id = r.series_id and not x.by_hand and x.from_slot >= r.from_slot and x.from_slot < r.to_slot

-- name: shorten_bindings
with room as materialized (
    select coalesce((n.old_values ->> 'series_id')::integer, own.series_id) as series_id,
           coalesce((n.old_values ->> 'from_slot')::integer, own.from_slot) as from_slot,
           coalesce((n.old_values ->> 'to_slot')::integer, own.to_slot) as to_slot
    from audit_net(%(id)s) n
    left join binding own on own.id = n.record_id::bigint
    where n.table_name = 'binding' and n.action <> 'insert'
)
update binding x set to_slot = r.from_slot
from room r
where x.series_id = r.series_id and not x.by_hand and x.from_slot < r.from_slot and x.to_slot > r.from_slot

-- name: bindings_of
-- Of the series of these assets.
select b.bucket_id, b.series_id, b.from_slot, b.to_slot
from series s
join binding b on b.series_id = s.id
where s.asset_id = any(%(assets)s::bigint[])

-- name: hold_clients
-- Whose these assets are and whose the group said they are, held so that none of their time is finalised meanwhile.
select c.id
from client c
where c.id in (select x.client_id from assignment x where x.asset_id = any(%(assets)s::bigint[]))
    or c.id in (select e.client_id from audit_entry e where e.group_id = %(id)s)
order by c.id
for share

-- name: end_suppressions
-- Those that the group made. They cannot be taken back, only ended.
update suppression s
set ended_at = clock_timestamp(),
    ended_by = coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user)
from audit_net(%(id)s) n
where n.table_name = 'suppression' and n.action = 'insert' and s.id = n.record_id::bigint and s.ended_at is null

-- name: dropped
-- What suppressions that the group made or ended have dropped.
select coalesce(sum(h.readings), 0)::bigint as readings
from audit_net(%(id)s) n
join suppression_hit h on h.suppression_id = n.record_id::bigint
where n.table_name = 'suppression'

-- name: assets_of_rule
-- Assets that the rule assigned, in time that is not finalised.
select distinct x.asset_id as id
from assignment x
join client c on c.id = x.client_id
where x.rule_id = %(rule_id)s and x.to_slot > c.finalised_slot

-- name: assets_of_bucket
-- Assets with a binding to the bucket, in time that is not finalised.
select distinct s.asset_id as id
from binding b
join series s on s.id = b.series_id
join bucket k on k.id = b.bucket_id
join client c on c.id = k.client_id
where b.bucket_id = %(bucket_id)s and b.to_slot > c.finalised_slot
