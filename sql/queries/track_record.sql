-- What projections said, and what became of it.

-- name: bucket
-- Whether the caller sees it.
select b.id
from bucket b
where b.id = %(bucket_id)s and (%(client_id)s::bigint is null or b.client_id = %(client_id)s)

-- name: points
-- Of the last periods that are over, the projection nearest to a quarter, half and three quarters of each; newest first.
select r.period_start, h.share, h.projected_quantity as projected, h.low_quantity as low, h.high_quantity as high,
       r.quantity as became
from (
    select bucket_id, period_start, quantity
    from billing_reading
    where bucket_id = %(bucket_id)s and period_end <= %(now)s::timestamptz
    order by period_start desc
    limit %(periods)s::integer
) r
cross join unnest(array[25, 50, 75]) as wanted (share)
cross join lateral (
    select h.share, h.projected_quantity, h.low_quantity, h.high_quantity
    from projection_history h
    where h.bucket_id = r.bucket_id and h.period_start = r.period_start
      and h.share between wanted.share - 5 and wanted.share + 5
    order by abs(h.share - wanted.share), h.share
    limit 1
) h
order by r.period_start desc, h.share
