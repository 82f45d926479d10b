-- Figures over many buckets. Which month a period belongs to is the domain's to say, so sums keep the period's end and the
-- zone in which its last day is told.

-- name: expected
-- What clients' periods with an end after `since` will cost: the projection while they are open, the reading once they
-- ended.
select f.client_id, c.name as client_name, c.time_zone, f.currency, f.period_end, f.cost
from (
    select client_id, currency, period_end, sum(cost) as cost
    from projected_client
    where period_end > %(now)s::timestamptz and projections > 0
    group by client_id, currency, period_end
    union all
    select client_id, currency, period_end, cost
    from billed_client
    where period_end > %(since)s::timestamptz and period_end <= %(now)s
) f
join client c on c.id = f.client_id

-- name: revenue
-- What periods cost that count for the months from `first` on, with the adjustments that stand in them.
select f.month, f.currency, sum(f.cost) as cost, bool_or(f.provisional) as provisional
from (
    select p.month, p.currency, sum(p.cost) as cost, bool_or(p.provisional) as provisional
    from billed_client p
    where p.month >= %(first)s
    group by p.month, p.currency
    union all
    select m.month, a.currency, a.amount, a.finalised_at is null
    from adjustment a
    join bucket b on b.id = a.bucket_id
    cross join lateral (select reporting_month(b.client_id, a.in_end) as month) m
    where a.in_end > %(since)s::timestamptz and m.month >= %(first)s
) f
group by f.month, f.currency

-- name: new_overages
-- Projected above the commit, and not above it in the period before, which had a commit too. Worst first.
--
-- Walked from the worst one on until there are enough, readings asked one by one. A projection above the commit rounds to 100
-- per cent of it at least.
select b.client_id, c.name as client_name, b.id as bucket_id, b.name as bucket_name, p.percent_of_commit
from projection p
join bucket b on b.id = p.bucket_id
join client c on c.id = b.client_id
where p.percent_of_commit >= 100 and p.period_start <= %(now)s::timestamptz and p.period_end > %(now)s
  and (
      select r.commit > 0 and r.quantity <= r.commit and r.period_end = p.period_start
      from billing_reading r
      where r.bucket_id = p.bucket_id and r.period_start < p.period_start
      order by r.period_start desc
      limit 1
  )
  and (
      select r.commit > 0 and p.projected_quantity > r.commit
      from billing_reading r
      where r.bucket_id = p.bucket_id and r.period_start = p.period_start
  )
order by p.percent_of_commit desc, p.bucket_id
limit %(limit)s::integer
