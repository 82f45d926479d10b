-- By which assets are found that are like another: what they have in common is kept in asset_trait.

-- name: subjects
-- The assets as suggestions see them: whose they are now, and the unit types of which nothing is bound now.
select a.id, x.client_id,
       array(
           select s.unit_type_id
           from series s
           where s.asset_id = a.id and not exists (
               select from binding b join bucket k on k.id = b.bucket_id
               where b.series_id = s.id and k.enabled
                   and b.from_slot <= (select slot_of(now())) and b.to_slot > (select slot_of(now())))
           order by s.unit_type_id
       )::integer[] as unit_types
from asset a
left join assignment x on x.asset_id = a.id and x.from_slot <= (select slot_of(now())) and x.to_slot > (select slot_of(now()))
where a.id = any (%(ids)s::bigint[]) and a.enabled and a.disregarded_at is null and a.merged_into is null
order by a.id

-- name: traits
select asset_id, kind, value
from asset_trait
where asset_id = any (%(ids)s::bigint[])
order by asset_id, kind, value

-- name: neighbours
-- Assets that are somebody's and have one of these traits, the oldest and the newest of each, by client.
select asked.kind, asked.value, n.client_id, array_agg(n.asset_id order by n.asset_id) as assets
from unnest(%(kinds)s::text[], %(values)s::text[]) as asked (kind, value)
cross join lateral (
    (select walked.asset_id, walked.client_id
     from (
         -- Its order keeps it to walk the index, and whose an asset is is looked up one by one until there are enough.
         select t.asset_id, (
             select x.client_id
             from assignment x
             join asset a on a.id = x.asset_id and a.enabled and a.disregarded_at is null and a.merged_into is null
             where x.asset_id = t.asset_id and x.from_slot <= (select slot_of(now())) and x.to_slot > (select slot_of(now()))
         ) as client_id
         from asset_trait t
         where t.kind = asked.kind and t.value = asked.value
         order by t.asset_id
         offset 0
     ) as walked
     where walked.client_id is not null
     limit %(limit)s::integer)
    union
    (select walked.asset_id, walked.client_id
     from (
         -- Its order keeps it to walk the index, and whose an asset is is looked up one by one until there are enough.
         select t.asset_id, (
             select x.client_id
             from assignment x
             join asset a on a.id = x.asset_id and a.enabled and a.disregarded_at is null and a.merged_into is null
             where x.asset_id = t.asset_id and x.from_slot <= (select slot_of(now())) and x.to_slot > (select slot_of(now()))
         ) as client_id
         from asset_trait t
         where t.kind = asked.kind and t.value = asked.value
         order by t.asset_id desc
         offset 0
     ) as walked
     where walked.client_id is not null
     limit %(limit)s)
) as n
group by asked.kind, asked.value, n.client_id

-- name: bound
-- To which enabled buckets these assets are bound now.
select distinct s.asset_id, s.unit_type_id::integer as unit_type_id, k.id as bucket_id
from series s
join binding b on b.series_id = s.id and b.from_slot <= (select slot_of(now())) and b.to_slot > (select slot_of(now()))
join bucket k on k.id = b.bucket_id
where s.asset_id = any (%(ids)s::bigint[]) and k.enabled
order by s.asset_id, unit_type_id, k.id

-- name: asset_names
select id, name from asset where id = any (%(ids)s::bigint[])

-- name: client_names
select id, name from client where id = any (%(ids)s::bigint[])

-- name: bucket_names
select k.id, k.name, u.name as unit_type
from bucket k join unit_type u on u.id = k.unit_type_id
where k.id = any (%(ids)s::bigint[])
