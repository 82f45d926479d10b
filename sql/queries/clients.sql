-- Clients, as people list them.

-- name: page
-- Which clients, in which order: ids and sort keys of one page, and how many there are in all.
with held as not materialized (
    -- Grouped, so that the planner knows it has one row for a client and leaves it out where nothing is taken from it.
    select client_id, count(*) as buckets from bucket group by client_id
), owned as not materialized (
    select client_id, count(*) as assets
    from assignment
    where from_slot <= %(slot)s::integer and to_slot > %(slot)s
    group by client_id
), projected as not materialized (
    select client_id, sum(cost) as cost
    from projected_client
    where period_start <= %(now)s::timestamptz and period_end > %(now)s and projections > 0
    group by client_id
), matching as not materialized (
    select c.id,
           case %(sort)s::text when 'name' then lower(c.name) collate "C" else '' end as txt,
           case %(sort)s
               when 'buckets' then coalesce(h.buckets, 0)::numeric
               when 'assets' then coalesce(o.assets, 0)::numeric
               -- Without a projection: below 0.
               when 'projected_cost' then coalesce(p.cost, -1)
               else 0 end as num,
           case %(sort)s when 'created_at' then c.created_at else 'epoch' end as at
    from client c
    left join held h on h.client_id = c.id
    left join owned o on o.client_id = c.id
    left join projected p on p.client_id = c.id
    where (%(search)s::text is null or lower(c.name) like lower(%(search)s))
      and (not %(enabled)s::boolean or c.enabled)
      and (not %(disabled)s::boolean or not c.enabled)
      and (%(client_id)s::bigint is null or c.id = %(client_id)s)
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

-- name: rows
-- Costs are of the period that contains now.
select c.id, c.name, c.enabled, c.created_at,
       c.close_after_days, c.contact, c.disabled_on, c.erased_at is not null as erased, nullif(c.finalised_slot, 0) as finalised_slot,
       (select count(*) from bucket b where b.client_id = c.id) as buckets,
       (select count(*) from assignment x
        where x.client_id = c.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s) as assets,
       (select sum((
            -- Looked up bucket by bucket: a client has few of all there are.
            select p.projected_cost from projection p
            where p.bucket_id = b.id and p.period_start <= %(now)s::timestamptz and p.period_end > %(now)s
            order by p.period_start desc limit 1))
        from bucket b where b.client_id = c.id) as projected_cost
from client c
where c.id = any (%(ids)s::bigint[])
