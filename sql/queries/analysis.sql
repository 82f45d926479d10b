-- Comparing clients: over and under, trends, revenue, leakage, and the readings that other terms are tried on. Sums by
-- reporting month are read from billed_period. Money is never added over currencies, units never over unit types.

-- name: over_under_clients
-- One row a client and currency; the arrays have a member for each kind of unit with a commit.
with kind as (
    select p.client_id, p.currency, p.unit_type_id, p.counted, sum(p.cost) as cost, sum(p.committed) as committed,
           sum(p.overage) as overage, sum(p.buffer) as buffer, sum(p.quantity) as quantity, sum(p.commit) as commit,
           sum(p.buffer_units) as buffer_units, sum(p.committed_buckets) as committed_buckets,
           sum(p.over_buckets) as over_buckets, sum(p.under_buckets) as under_buckets, bool_or(p.provisional) as provisional,
           bool_or(p.period_end - p.period_start > interval '32 days') as long_period
    from billed_period p
    where p.month = %(month)s and (%(client_id)s::bigint is null or p.client_id = %(client_id)s)
      and (%(unit_type)s::text = '' or p.unit_type_id = (select id from unit_type where name = %(unit_type)s))
    group by p.client_id, p.currency, p.unit_type_id, p.counted
)
select *
from (
    select c.id as client_id, c.name as client_name, 0::bigint as bucket_id, '' as bucket_name, k.currency,
           array_agg(u.name order by u.name, k.counted) as unit_types,
           array_agg(u.symbol order by u.name, k.counted) as symbols,
           array_agg(k.counted order by u.name, k.counted) as counted,
           array_agg(k.quantity - k.commit order by u.name, k.counted) as delta,
           array_agg(k.buffer_units order by u.name, k.counted) as unused,
           array_agg(k.commit order by u.name, k.counted) as commits,
           over_under(sum(k.committed_buckets)::bigint, sum(k.over_buckets)::bigint, sum(k.under_buckets)::bigint) as status,
           sum(k.cost) as cost, sum(k.committed) as committed, sum(k.overage) as overage, sum(k.buffer) as buffer,
           bool_or(k.provisional) as provisional, bool_or(k.long_period) as long_period
    from kind k
    join unit_type u on u.id = k.unit_type_id
    join client c on c.id = k.client_id
    group by c.id, c.name, k.currency
) rows
where %(status)s::text = '' or status = %(status)s
order by lower(client_name) collate "C", client_id, currency

-- name: over_under_units
-- One row a kind of unit and currency.
select *
from (
    select 0::bigint as client_id, '' as client_name, 0::bigint as bucket_id, '' as bucket_name, p.currency,
           array[u.name] as unit_types, array[u.symbol] as symbols, array[p.counted] as counted,
           array[sum(p.quantity) - sum(p.commit)] as delta, array[sum(p.buffer_units)] as unused,
           array[sum(p.commit)] as commits,
           over_under(sum(p.committed_buckets), sum(p.over_buckets), sum(p.under_buckets)) as status,
           sum(p.cost) as cost, sum(p.committed) as committed, sum(p.overage) as overage, sum(p.buffer) as buffer,
           bool_or(p.provisional) as provisional,
           bool_or(p.period_end - p.period_start > interval '32 days') as long_period
    from billed_period p
    join unit_type u on u.id = p.unit_type_id
    where p.month = %(month)s and (%(client_id)s::bigint is null or p.client_id = %(client_id)s)
      and (%(unit_type)s::text = '' or u.name = %(unit_type)s)
    group by u.name, u.symbol, p.counted, p.currency
) rows
where %(status)s::text = '' or status = %(status)s
order by unit_types, counted, currency

-- name: over_under_buckets
-- One row a bucket and currency, in turn the one with most overage and buffer of each currency. `total` is how many there are,
-- `all_overage` and `all_buffer` what all of the currency come to.
with periods as materialized (
    select client_id, period_start, min(period_end) as first_end, max(period_end) as last_end
    from billed_period
    where month = %(month)s and (%(client_id)s::bigint is null or client_id = %(client_id)s)
    group by client_id, period_start
), found as (
    select f.*, over_under(f.committed_periods, f.over_periods, f.under_periods) as status
    from (
        select r.bucket_id, r.currency, counted_in(r.aggregation, n.kind) as counted, sum(r.cost) as cost,
               coalesce(sum(r.used + r.buffer) filter (where r.commit > 0), 0) as committed,
               coalesce(sum(r.overage) filter (where r.commit > 0), 0) as overage,
               coalesce(sum(r.buffer) filter (where r.commit > 0), 0) as buffer,
               coalesce(sum(r.quantity) filter (where r.commit > 0), 0) as quantity,
               coalesce(sum(r.commit) filter (where r.commit > 0), 0) as commit,
               coalesce(sum(greatest(r.commit - r.quantity, 0)) filter (where r.commit > 0), 0) as buffer_units,
               count(*) filter (where r.commit > 0) as committed_periods,
               count(*) filter (where r.commit > 0 and r.overage_units > 0) as over_periods,
               count(*) filter (where r.commit > 0 and (r.buffer > 0 or r.quantity < r.commit)) as under_periods,
               bool_or(r.finalised_at is null) as provisional,
               bool_or(r.period_end - r.period_start > interval '32 days') as long_period
        from billing_reading r
        join bucket k on k.id = r.bucket_id
            and (%(unit_type)s::text = '' or k.unit_type_id = (select id from unit_type where name = %(unit_type)s))
        join unit_type n on n.id = k.unit_type_id
        join periods p on p.client_id = k.client_id and p.period_start = r.period_start
        -- Ends as an index has them: of all readings few are of the month.
        where r.period_end between (select min(first_end) from periods) and (select max(last_end) from periods)
        group by r.bucket_id, r.currency, counted_in(r.aggregation, n.kind)
    ) f
), ranked as (
    select *, row_number() over (partition by currency order by overage + buffer desc, bucket_id) as place,
           count(*) over () as total, sum(overage) over (partition by currency) as all_overage,
           sum(buffer) over (partition by currency) as all_buffer
    from found
    where %(status)s::text = '' or status = %(status)s
    order by place, currency
    limit %(limit)s::integer
)
select c.id as client_id, c.name as client_name, b.id as bucket_id, b.name as bucket_name, f.currency,
       array[u.name] as unit_types, array[u.symbol] as symbols, array[f.counted] as counted,
       array[f.quantity - f.commit] as delta, array[f.buffer_units] as unused, array[f.commit] as commits, f.status,
       f.cost, f.committed, f.overage, f.buffer, f.provisional, f.long_period, f.total, f.all_overage, f.all_buffer
from ranked f
join bucket b on b.id = f.bucket_id
join unit_type u on u.id = b.unit_type_id
join client c on c.id = b.client_id
order by f.place, f.currency

-- name: trend
-- Overage, buffer and cost of each month from `first` on.
select p.month, p.currency, sum(p.overage) as overage, sum(p.buffer) as buffer, sum(p.cost) as cost,
       bool_or(p.provisional) as provisional
from billed_client p
where p.month >= %(first)s and (%(client_id)s::bigint is null or p.client_id = %(client_id)s)
group by p.month, p.currency

-- name: trend_unit
select p.month, p.currency, sum(p.overage) as overage, sum(p.buffer) as buffer, sum(p.cost) as cost,
       bool_or(p.provisional) as provisional
from billed_period p
where p.month >= %(first)s and (%(client_id)s::bigint is null or p.client_id = %(client_id)s)
  and p.unit_type_id = (select id from unit_type where name = %(unit_type)s::text)
group by p.month, p.currency

-- name: trend_bucket
select m.month, r.currency, coalesce(sum(r.overage) filter (where r.commit > 0), 0) as overage,
       coalesce(sum(r.buffer) filter (where r.commit > 0), 0) as buffer, sum(r.cost) as cost,
       bool_or(r.finalised_at is null) as provisional
from bucket b
join billing_reading r on r.bucket_id = b.id and r.period_end > %(since)s::timestamptz
cross join lateral (select reporting_month(b.client_id, r.period_end) as month) m
where b.id = %(bucket_id)s and m.month >= %(first)s
group by m.month, r.currency

-- name: revenue
-- By month and currency, of each source type and (empty) of all; with the adjustments that stand in the month's periods.
select f.month, f.currency, coalesce(t.name, '') as source_type, f.revenue, f.clients, f.provisional
from (
    select month, currency, source_type_id, sum(cost) as revenue, count(distinct client_id) as clients,
           bool_or(provisional) as provisional
    from (
        select p.month, p.currency, p.source_type_id, p.client_id, sum(p.cost) as cost, bool_or(p.provisional) as provisional
        from billed_period p
        where p.month >= %(first)s and p.month < %(beyond)s
        group by p.month, p.currency, p.source_type_id, p.client_id
        union all
        select m.month, a.currency, b.source_type_id, b.client_id, a.amount, a.finalised_at is null
        from adjustment a
        join bucket b on b.id = a.bucket_id
        cross join lateral (select reporting_month(b.client_id, a.in_end) as month) m
        where a.in_end > %(since)s::timestamptz and m.month >= %(first)s and m.month < %(beyond)s
    ) costs
    group by grouping sets ((month, currency), (month, currency, source_type_id))
) f
left join source_type t on t.id = f.source_type_id

-- name: status_last_period
-- How many clients are of each status in their last period, as far as it is known from their open one where that begins.
select status, count(*) as clients
from (
    select p.client_id,
           over_under(sum(p.committed_buckets)::bigint, sum(p.over_buckets)::bigint, sum(p.under_buckets)::bigint) as status
    from (
        select client_id, min(period_start) as starts
        from billed_client
        where period_end > %(now)s::timestamptz and period_start <= %(now)s
        group by client_id
    ) opened
    join billed_client p on p.client_id = opened.client_id and p.period_end = opened.starts
    group by p.client_id
) clients
group by status

-- name: status_unopened
-- The newest ended period of each client of whose open one nothing is billed yet.
select c.id as client_id, newest.ends,
       (select over_under(sum(p.committed_buckets)::bigint, sum(p.over_buckets)::bigint, sum(p.under_buckets)::bigint)
        from billed_client p
        where p.client_id = c.id and p.period_end = newest.ends) as status
from client c
cross join lateral (
    select max(period_end) as ends from billed_client where client_id = c.id and period_end <= %(now)s::timestamptz
) newest
where newest.ends is not null
  and c.id not in (
      select client_id from billed_client where period_end > %(now)s and period_start <= %(now)s
  )

-- name: leakage
-- Usage that is bound to nothing, by client (0: nobody's), currency (empty: not known) and age in days of an asset's oldest
-- unbound slot; `unpriced`: assets of which not all has a price.
select x.client_id, coalesce(c.name, '') as client_name, x.currency, x.age, count(*) as assets,
       coalesce(sum(x.money), 0) as money, count(*) filter (where x.unpriced) as unpriced
from (
    select coalesce(a.client_id, 0) as client_id, coalesce(u.currency, '') as currency, u.money,
           case when d.days <= 7 then '7' when d.days <= 30 then '30' when d.days <= 90 then '90' else 'older' end as age,
           exists (
               select from unbound_candidate k
               left join client of on of.id = a.client_id
               where k.asset_id = u.asset_id and k.money is null
                 and upper(k.loose) > (coalesce(of.finalised_slot, %(month_slot)s::integer)::bigint + k.width - 1) / k.width
           ) as unpriced
    from unbound_assets(null, %(slot)s::integer, %(month_slot)s) u
    left join assignment a on a.asset_id = u.asset_id and a.from_slot <= %(slot)s and a.to_slot > %(slot)s
    cross join lateral (select (%(slot)s - u.since_slot) / 288.0 as days) d
    where %(client_id)s::bigint is null or a.client_id = %(client_id)s
) x
left join client c on c.id = x.client_id
group by x.client_id, c.name, x.currency, x.age
order by x.client_id = 0, lower(c.name) collate "C", x.client_id, x.currency,
         array_position(array['7', '30', '90', 'older'], x.age)

-- name: right_size_buckets
-- Buckets with a commit in force and at least three ended readings in their newest one's currency, those with most buffer
-- in the last so many first, of each currency in turn.
select id
from (
    select f.id, row_number() over (partition by f.currency order by f.buffer desc, f.id) as place, f.currency
    from (
        select b.id, newest.currency, sum(r.buffer) as buffer
        from bucket b
        join client c on c.id = b.client_id
        cross join lateral (
            select t.commit
            from bucket_terms t
            cross join lateral (select (%(now)s::timestamptz at time zone c.time_zone)::date as day) today
            where t.bucket_id = b.id and t.starts_on <= today.day and (t.ends_on is null or t.ends_on > today.day)
            order by t.starts_on desc
            limit 1
        ) agreed
        cross join lateral (
            select r.currency
            from billing_reading r
            where r.bucket_id = b.id and r.period_end <= %(now)s
            order by r.period_start desc
            limit 1
        ) newest
        cross join lateral (
            select r.buffer
            from billing_reading r
            where r.bucket_id = b.id and r.period_end <= %(now)s and r.currency = newest.currency
            order by r.period_start desc
            limit %(readings)s::integer
        ) r
        where agreed.commit > 0 and (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
          and (%(unit_type)s::text = '' or b.unit_type_id = (select id from unit_type where name = %(unit_type)s))
        group by b.id, newest.currency
        having count(*) >= %(readings_min)s::integer
    ) f
) ranked
order by place, currency
limit %(limit)s::integer

-- name: buckets
-- What right-size says of buckets; `commit` is the one in force.
select b.id, b.name, b.client_id, c.name as client_name, u.name as unit_type, u.symbol, u.kind, u.precision, agreed.commit
from bucket b
join client c on c.id = b.client_id
join unit_type u on u.id = b.unit_type_id
cross join lateral (
    select t.commit
    from bucket_terms t
    where t.bucket_id = b.id and t.starts_on <= (%(now)s::timestamptz at time zone c.time_zone)::date
    order by t.starts_on desc
    limit 1
) agreed
where b.id = any(%(buckets)s::bigint[])

-- name: wanted_buckets
-- One bucket, those of a client, or all that have an ended reading.
select b.id
from bucket b
where (%(bucket_id)s::bigint is null or b.id = %(bucket_id)s) and (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
  and exists (select from billing_reading r where r.bucket_id = b.id and r.period_end <= %(now)s::timestamptz)
order by b.id
limit %(limit)s::integer

-- name: ended_readings
-- The newest so many ended readings of each bucket, the oldest first.
select r.bucket_id, r.period_start, r.period_end, r.currency, r.quantity, r.commit, r.buffer, r.cost, r.aggregation,
       r.terms_id, r.from_slot, r.to_slot, r.as_of_slot, r.cutoff, r.segments
from unnest(%(buckets)s::bigint[]) as wanted (id)
cross join lateral (
    select r.*
    from billing_reading r
    where r.bucket_id = wanted.id and r.period_end <= %(now)s::timestamptz
    order by r.period_start desc
    limit %(readings)s::integer
) r
order by r.bucket_id, r.period_start

-- name: terms
select t.id, t.starts_on, t.ends_on, t.commit, t.base_price, t.overage_price, t.aggregation, t.percentile, t.package,
       t.minimum, t.maximum, t.tiers, t.gap_hold, t.prorate
from bucket_terms t
where t.bucket_id = any(%(buckets)s::bigint[])

-- name: names
-- Of buckets and their clients.
select b.id, b.name, c.name as client_name
from bucket b
join client c on c.id = b.client_id
where b.id = any(%(buckets)s::bigint[])

-- name: bucket_unit
select u.kind, u.divisor, u.per, u.precision, u.slot_minutes, u.gap_hold
from bucket b
join unit_type u on u.id = b.unit_type_id
where b.id = %(bucket_id)s

-- name: known
-- Whether there are the bucket, the client and the unit type that are asked for; what is not asked for is.
select (%(bucket_id)s::bigint is null or exists (select from bucket where id = %(bucket_id)s)) as bucket,
       (%(client_id)s::bigint is null or exists (select from client where id = %(client_id)s)) as client,
       (%(unit_type)s::text = '' or exists (select from unit_type where name = %(unit_type)s)) as unit_type
