-- Buckets, as people list them.

-- name: page
with rated as not materialized (
    -- Grouped, so that the planner knows it has one row for a bucket and leaves it out where nothing is taken from it.
    select bucket_id, min(quantity) as quantity, min(commit) as commit
    from billing_reading
    where period_start <= %(now)s::timestamptz and period_end > %(now)s
    group by bucket_id
), projected as not materialized (
    select bucket_id, min(projected_cost) as cost, min(percent_of_commit) as percent,
           min(projected_quantity) as quantity
    from projection
    where period_start <= %(now)s and period_end > %(now)s
    group by bucket_id
), matching as not materialized (
    select b.id,
           case %(sort)s::text
               when 'name' then lower(b.name) collate "C"
               when 'client_name' then lower(c.name) collate "C"
               when 'source_type' then t.name collate "C"
               when 'unit_type' then u.name collate "C"
               else '' end as txt,
           -- What is not known sorts below 0.
           coalesce(case %(sort)s
               when 'current_usage' then r.quantity
               when 'projected_cost' then p.cost
               when 'percent_of_commit' then p.percent
               else 0 end, -1) as num,
           case %(sort)s when 'created_at' then b.created_at else 'epoch' end as at
    from bucket b
    left join client c on c.id = b.client_id
    left join source_type t on t.id = b.source_type_id
    left join unit_type u on u.id = b.unit_type_id
    left join rated r on r.bucket_id = b.id
    left join projected p on p.bucket_id = b.id
    where (%(search)s::text is null or lower(b.name) like lower(%(search)s) or lower(c.name) like lower(%(search)s))
      and (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
      and (%(source_type)s::text is null or t.name = %(source_type)s)
      and (%(unit_type)s::text is null or u.name = %(unit_type)s)
      and (not %(not_reviewed)s::boolean or not b.reviewed)
      and (not %(enabled)s::boolean or b.enabled)
      and (not %(disabled)s::boolean or not b.enabled)
      -- As insight.bucket_status says: a projection above the commit.
      and (not %(over)s::boolean or r.commit > 0 and p.quantity > r.commit)
), page as (
    select * from matching
    where (%(sort)s <> 'id' or %(after_id)s::bigint is null
           or case when %(descending)s::boolean then id < %(after_id)s else id > %(after_id)s end)
      -- One column of the row comparison below, for the index.
      and (%(sort)s <> 'name' or %(after_id)s is null or case when %(descending)s
           then txt <= %(after_text)s::text collate "C" else txt >= %(after_text)s collate "C" end)
      and (%(after_id)s is null
           or (not %(descending)s and (txt, num, at, id)
               > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
           or (%(descending)s and (txt, num, at, id)
               < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s)))
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
-- Usage, cost and commit are those of the period that contains now, null before it was rated or projected.
select b.id, b.client_id, c.name as client_name, c.time_zone, c.currency, b.name,
       t.name as source_type, u.name as unit_type, u.symbol, u.kind, b.priority, b.reviewed, b.enabled, b.created_at,
       r.quantity as current_usage, r.cost as current_cost, r.commit as current_commit, r.as_of_slot,
       p.projected_quantity, p.projected_cost, p.percent_of_commit, b.template_id is not null as provisioned,
       c.finalised_slot,
       (select count(*) from binding x
        where x.bucket_id = b.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s) as series
from bucket b
join client c on c.id = b.client_id
join source_type t on t.id = b.source_type_id
join unit_type u on u.id = b.unit_type_id
left join billing_reading r
    on r.bucket_id = b.id and r.period_start <= %(now)s::timestamptz and r.period_end > %(now)s
left join projection p on p.bucket_id = b.id and p.period_start <= %(now)s and p.period_end > %(now)s
where b.id = any (%(ids)s::bigint[])

-- name: terms
select bucket_id, id, starts_on, ends_on, commit, base_price, overage_price, aggregation, percentile, package, minimum,
       maximum, coalesce(tiers, '[]') as tiers, gap_hold, prorate
from bucket_terms
where bucket_id = any (%(ids)s::bigint[])
order by bucket_id, starts_on

-- name: filters
select bucket_id, conditions
from bucket_filter
where bucket_id = any (%(ids)s::bigint[])
order by bucket_id, id

-- name: assignment_rules
-- In the order in which they are tried.
select id, client_id, priority, conditions
from assignment_rule
order by priority desc, id
