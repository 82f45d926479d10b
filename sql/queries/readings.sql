-- What buckets cost: billing readings and projections, as people list them.

-- name: page
-- A reading is known by its bucket and first slot; the id of a row here is both in one number.
-- `state`: 0 all, 1 open, 2 ended and not finalised, 3 finalised.
with matching as not materialized (
    select r.bucket_id << 32 | r.from_slot as id,
           case %(sort)s::text
               when 'client_name' then lower(c.name) collate "C"
               when 'bucket_name' then lower(b.name) collate "C"
               else '' end as txt,
           case %(sort)s when 'quantity' then r.quantity when 'cost' then r.cost else 0 end as num,
           case %(sort)s when 'period_end' then r.period_end when 'period_start' then r.period_start else 'epoch' end as at
    from billing_reading r
    left join bucket b on b.id = r.bucket_id
    left join client c on c.id = b.client_id
    where (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
      and (%(bucket_id)s::bigint is null or r.bucket_id = %(bucket_id)s)
      and (%(search)s::text is null or lower(b.name) like lower(%(search)s) or lower(c.name) like lower(%(search)s))
      -- Of all months few buckets are found sooner than many readings are looked through; of one month they are few enough.
      and (%(search)s is null or %(month)s::date is not null or r.bucket_id = any (array(
               select f.id
               from bucket f
               join client o on o.id = f.client_id
               where lower(f.name) like lower(%(search)s) or lower(o.name) like lower(%(search)s)
           )))
      and (%(source_type)s::text is null or b.source_type_id = (select id from source_type where name = %(source_type)s))
      -- What is of a month ends in it by some clock, at most some hours off: for the index.
      and (%(month)s::date is null or r.period_end between %(month)s::date - 3 and (%(month)s::date + interval '1 month 3 days')
           and (b.client_id, r.period_start) in (
               select client_id, period_start from billed_client where month = %(month)s
           ))
      and case %(state)s::integer
          when 1 then r.period_end > %(now)s::timestamptz and r.finalised_at is null
          when 2 then r.period_end <= %(now)s and r.finalised_at is null
          when 3 then r.finalised_at is not null
          else true end
), page as (
    select * from matching
    where (%(sort)s <> 'period_end' or %(after_id)s::bigint is null
           or case when %(descending)s::boolean
                   then at <= %(after_time)s::timestamptz else at >= %(after_time)s end)
      and (%(after_id)s is null
           or (not %(descending)s and (txt, num, at, id)
               > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s, %(after_id)s))
           or (%(descending)s and (txt, num, at, id)
               < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s, %(after_id)s)))
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
select r.bucket_id << 32 | r.from_slot as id, r.bucket_id, b.name as bucket_name, b.client_id, c.name as client_name,
       t.name as source_type, u.name as unit_type, u.symbol, u.kind, r.aggregation, r.period_start, r.period_end,
       r.percentile, r.quantity, r.commit, r.overage_units, r.currency, r.used, r.buffer, r.overage, r.limit_amount, r.cost,
       r.measured, r.absent, r.gap, r.spread, r.segments,
       r.cutoff, r.as_of_slot, r.finalised_at
from unnest(%(ids)s::bigint[]) as wanted (id)
join billing_reading r on r.bucket_id = wanted.id >> 32 and r.from_slot = wanted.id & 4294967295
join bucket b on b.id = r.bucket_id
join client c on c.id = b.client_id
join source_type t on t.id = b.source_type_id
join unit_type u on u.id = b.unit_type_id

-- name: projection_page
-- Of open periods; a bucket has one at most, so its id is the row's.
with matching as materialized (
    select p.bucket_id as id,
           case %(sort)s::text
               when 'client_name' then lower(c.name) collate "C"
               when 'bucket_name' then lower(b.name) collate "C"
               else '' end as txt,
           -- Without a commit there is no per cent: below 0.
           coalesce(case %(sort)s
               when 'percent_of_commit' then p.percent_of_commit
               when 'projected_quantity' then p.projected_quantity
               when 'projected_cost' then p.projected_cost
               else 0 end, -1) as num,
           'epoch'::timestamptz as at
    from projection p
    left join bucket b on b.id = p.bucket_id
    left join client c on c.id = b.client_id
    -- The end is that of the projection; with it an index finds the open ones.
    left join billing_reading r on r.bucket_id = p.bucket_id and r.period_start = p.period_start and r.period_end > %(now)s::timestamptz
    where p.period_start <= %(now)s::timestamptz and p.period_end > %(now)s
      and (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
      and (%(search)s::text is null or lower(b.name) like lower(%(search)s) or lower(c.name) like lower(%(search)s))
      and (not %(over)s::boolean or r.commit > 0 and p.projected_quantity > r.commit)
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

-- name: projection_rows
select p.bucket_id as id, b.name as bucket_name, b.client_id, c.name as client_name, u.name as unit_type, u.symbol,
       u.kind, p.aggregation, p.period_start, p.period_end, p.current_quantity, p.projected_quantity, p.currency, p.projected_cost,
       p.percent_of_commit, p.low_quantity, p.high_quantity, p.low_cost, p.high_cost, p.method, p.calculated_at,
       t.median_error as track_record
from projection p
join bucket b on b.id = p.bucket_id
join client c on c.id = b.client_id
join unit_type u on u.id = b.unit_type_id
cross join lateral (
    -- The share of the period that it was made at.
    select max(h.share) as share
    from projection_history h
    where h.bucket_id = p.bucket_id and h.period_start = p.period_start
) s
-- Of each of the last periods the projection nearest to that share, against what became of it.
cross join lateral (
    select round((percentile_cont(0.5) within group (order by error))::numeric, 2) as median_error
    from (
        select 100 * abs(h.projected_quantity - r.quantity) / r.quantity as error
        from (
            select quantity, period_start
            from billing_reading
            where bucket_id = p.bucket_id and period_end <= %(now)s and quantity > 0
            order by period_start desc
            limit 12
        ) r
        cross join lateral (
            select projected_quantity
            from projection_history h
            where h.bucket_id = p.bucket_id and h.period_start = r.period_start
              and h.share between s.share - 5 and s.share + 5
            order by abs(h.share - s.share)
            limit 1
        ) h
    ) earlier
) t
where p.bucket_id = any (%(ids)s::bigint[]) and p.period_start <= %(now)s::timestamptz and p.period_end > %(now)s
