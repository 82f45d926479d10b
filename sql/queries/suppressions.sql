-- Rules applied at ingest, and what they dropped.

-- name: suppressions
-- Those that hold first, then by age; ended ones only when asked for.
select s.id, s.field, s.operator, s.pattern, s.reason, s.created_at, s.ended_at, s.created_by, s.ended_by,
       coalesce(h.assets, 0) as assets, coalesce(h.more_assets, false) as more_assets,
       coalesce(h.readings, 0) as readings, h.last_hit_at
from suppression s
left join (
    select suppression_id, sum(counted_assets)::bigint as assets, bool_or(more_assets) as more_assets,
           sum(readings)::bigint as readings, max(last_hit_at) as last_hit_at
    from suppression_hit
    group by suppression_id
) h on h.suppression_id = s.id
where (s.ended_at is null or %(ended)s) and (s.id = %(id)s or %(id)s::bigint is null)
order by s.ended_at is not null, s.id

-- name: hold
-- One creation at a time: the number of suppressions is limited.
select pg_advisory_xact_lock(hashtextextended('ullage.suppression', 0))

-- name: how_many
select count(*) from suppression where ended_at is null

-- name: insert
-- No row when one like it holds.
insert into suppression (field, operator, pattern, reason, created_by)
values (
    %(field)s, %(operator)s, %(pattern)s, %(reason)s,
    coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user)
)
on conflict (field, operator, pattern) where ended_at is null do nothing
returning id

-- name: end
-- Those that have ended stay as they are.
update suppression
set ended_by = case
        when ended_at is null then coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user)
        else ended_by
    end,
    ended_at = coalesce(ended_at, clock_timestamp())
where id = %(id)s
returning id

-- name: series_of
-- The series of these assets, with whose they are in the newest assignment, and whether a bucket counts them now.
select s.id as series_id, a.id as asset_id, a.name as asset_name, coalesce(owner.name, '') as client_name,
       exists (
           select from binding b
           where b.series_id = s.id and b.from_slot <= %(slot)s::integer and b.to_slot > %(slot)s
       ) as bound
from asset a
join series s on s.asset_id = a.id
left join lateral (
    select c.name
    from assignment x
    join client c on c.id = x.client_id
    where x.asset_id = a.id
    order by x.from_slot desc
    limit 1
) owner on true
where a.id = any(%(assets)s::bigint[])
order by a.id, s.id
