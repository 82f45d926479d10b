-- Names and figures for dry runs.

-- name: series
select s.id, s.asset_id, a.name as asset_name, u.name as unit_type
from series as s
join asset as a on a.id = s.asset_id
join unit_type as u on u.id = s.unit_type_id
where s.id = any(%(series)s::integer[])

-- name: asset_names
select id, name from asset where id = any(%(assets)s::bigint[])

-- name: client_names
select id, name from client where id = any(%(clients)s::bigint[])

-- name: bucket_names
-- With aggregation and commit of the terms in force now, or else the ones that come next to them; null: it has none.
select b.id, b.name, b.client_id, held.aggregation, coalesce(held.commit, 0) as commit
from bucket as b
left join lateral (
    select t.aggregation, t.commit
    from bucket_terms as t
    where t.bucket_id = b.id
    order by t.starts_on <= %(now)s::timestamptz::date desc, abs(t.starts_on - %(now)s::timestamptz::date)
    limit 1
) as held on true
where b.id = any(%(buckets)s::bigint[])

-- name: now
select clock_timestamp()

-- name: assets_total
select count(*) from asset
