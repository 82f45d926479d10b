-- serves_from: 18
-- Figures under all that buckets agree on: segments, limits, coverage. An older program would write readings without their
-- limit and bill buckets by whether they are enabled, not by their terms, so it is not served any more.

alter table billing_reading
    -- What was added to reach the minimum or, below zero, cut at the maximum.
    add column limit_amount numeric not null default 0,
    -- Of aggregation 'percentile', as in the terms.
    add column percentile numeric,
    -- (slot, series) pairs bound in slots that have ended, from each series' first reading on.
    add column measured bigint not null default 0,
    add column absent bigint not null default 0,
    add column gap bigint not null default 0,
    -- Measured ones that hold only a share of what a counter caught up later.
    add column spread bigint not null default 0,
    -- What each part was rated under and what came of it, oldest first, decimals as text: see store/billing.py.
    add column segments jsonb not null default '[]',
    -- Digest of the terms and spans it was rated on; null: rated before there was one, so rated again.
    add column agreed text,
    drop constraint billing_reading_check,
    add constraint billing_reading_adds_up check (used + buffer + overage + limit_amount = cost),
    add constraint billing_reading_coverage check (least(measured, absent, gap, spread) >= 0);

-- The value of a series in a slot, by what was folded of it there and the figure that its unit type names: 0 an amount's
-- total; of a level 1 the mean in whole steps, (2·total + n) div 2n computed so that it cannot overflow, 2 the highest,
-- 3 the last. A number, as it is asked for every reading of a month.
create function slot_value(figure integer, n integer, total bigint, high bigint, last bigint) returns bigint
language sql immutable parallel safe
return case figure
    when 0 then total
    when 1 then total / n + (2 * (total % n) >= n)::integer
    when 2 then high
    else last
end;
