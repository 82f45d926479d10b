-- serves_from: 18
-- What comparisons read instead of readings: sums by client, period and kind, kept with every change of a reading.

-- The calendar month that a client's period with this end counts for, as its first day: that of its last local day.
-- Calendar.reporting_month in domain/period.py says the same.
create function reporting_month(of_client bigint, ends timestamptz) returns date
language sql stable as $$
    select l.day - (extract(day from l.day)::integer - 1)
    from (
        select until, time_zone, lag(until) over (order by until nulls last) as begins_on
        from (
            select ended_on as until, time_zone from client_cycle where client_id = of_client
            union all
            select null, time_zone from client where id = of_client
        ) eras
    ) e
    cross join lateral (
        select ((ends - interval '1 microsecond') at time zone e.time_zone)::date as told
    ) t
    cross join lateral (select greatest(t.told, e.begins_on) as day) l
    where e.until is null or t.told < e.until
    order by e.until nulls last
    limit 1
$$;

-- over: overage in a bucket and buffer in none; under: the other way round; mixed: both; even: neither; empty: no commit.
create function over_under(committed bigint, over_buckets bigint, under_buckets bigint) returns text
language sql immutable parallel safe
return case
    when committed = 0 then ''
    when over_buckets > 0 and under_buckets > 0 then 'mixed'
    when over_buckets > 0 then 'over'
    when under_buckets > 0 then 'under'
    else 'even'
end;

-- What a reading's quantity is counted in: units, unit-hours or assets. Only like is added to like.
create function counted_in(aggregation text, kind text) returns text
language sql immutable parallel safe
return case when aggregation = 'count' then 'assets' when aggregation = 'sum' and kind = 'level' then 'hours' else 'unit' end;

create table billed_period (
    client_id         bigint not null references client,
    period_start      timestamptz not null,
    period_end        timestamptz not null,
    -- As `reporting_month` says.
    month             date not null,
    source_type_id    smallint not null,
    unit_type_id      smallint not null,
    counted           text not null,
    currency          text not null,
    provisional       boolean not null,
    cost              numeric not null,
    -- All below is of buckets with a commit: money, then units, then how many buckets. One of several segments may be
    -- over in one and under in another.
    committed         numeric not null,
    overage           numeric not null,
    buffer            numeric not null,
    quantity          numeric not null,
    commit            numeric not null,
    buffer_units      numeric not null,
    committed_buckets integer not null,
    over_buckets      integer not null,
    under_buckets     integer not null,
    primary key (client_id, period_start, source_type_id, unit_type_id, counted, currency)
) with (fillfactor = 80);

create index billed_period_month on billed_period (month);
create index billed_period_end on billed_period (period_end);

-- The same of all kinds in one: what is asked for twelve months of all clients.
create table billed_client (
    client_id         bigint not null references client,
    period_start      timestamptz not null,
    period_end        timestamptz not null,
    month             date not null,
    currency          text not null,
    provisional       boolean not null,
    cost              numeric not null,
    overage           numeric not null,
    buffer            numeric not null,
    committed_buckets bigint not null,
    over_buckets      bigint not null,
    under_buckets     bigint not null,
    primary key (client_id, period_start, currency)
) with (fillfactor = 80);

create index billed_client_month on billed_client (month);
create index billed_client_end on billed_client (period_end);

-- Sums the readings of these clients' periods again.
create function refresh_billed(clients bigint[], starts timestamptz[]) returns void
language plpgsql as $$
begin
    delete from billed_period p
    using unnest(clients, starts) as again (client_id, period_start)
    where p.client_id = again.client_id and p.period_start = again.period_start;
    insert into billed_period
    select s.client_id, s.period_start, s.period_end, reporting_month(s.client_id, s.period_end),
           s.source_type_id, s.unit_type_id, s.counted, s.currency, s.provisional, s.cost, s.committed, s.overage, s.buffer,
           s.quantity, s.commit, s.buffer_units, s.committed_buckets, s.over_buckets, s.under_buckets
    from (
        select b.client_id, r.period_start, max(r.period_end) as period_end, b.source_type_id, b.unit_type_id,
               counted_in(r.aggregation, u.kind) as counted, r.currency,
               bool_or(r.finalised_at is null) as provisional, sum(r.cost) as cost,
               coalesce(sum(r.used + r.buffer) filter (where r.commit > 0), 0) as committed,
               coalesce(sum(r.overage) filter (where r.commit > 0), 0) as overage,
               coalesce(sum(r.buffer) filter (where r.commit > 0), 0) as buffer,
               coalesce(sum(r.quantity) filter (where r.commit > 0), 0) as quantity,
               coalesce(sum(r.commit) filter (where r.commit > 0), 0) as commit,
               coalesce(sum(greatest(r.commit - r.quantity, 0)) filter (where r.commit > 0), 0) as buffer_units,
               count(*) filter (where r.commit > 0) as committed_buckets,
               count(*) filter (where r.commit > 0 and r.overage_units > 0) as over_buckets,
               count(*) filter (where r.commit > 0 and (r.buffer > 0 or r.quantity < r.commit)) as under_buckets
        from unnest(clients, starts) as again (client_id, period_start)
        join bucket b on b.client_id = again.client_id
        join unit_type u on u.id = b.unit_type_id
        join billing_reading r on r.bucket_id = b.id and r.period_start = again.period_start
        group by b.client_id, r.period_start, b.source_type_id, b.unit_type_id, counted_in(r.aggregation, u.kind), r.currency
    ) s;
    delete from billed_client p
    using unnest(clients, starts) as again (client_id, period_start)
    where p.client_id = again.client_id and p.period_start = again.period_start;
    insert into billed_client
    select p.client_id, p.period_start, max(p.period_end), max(p.month), p.currency, bool_or(p.provisional), sum(p.cost),
           sum(p.overage), sum(p.buffer), sum(p.committed_buckets), sum(p.over_buckets), sum(p.under_buckets)
    from unnest(clients, starts) as again (client_id, period_start)
    join billed_period p on p.client_id = again.client_id and p.period_start = again.period_start
    group by p.client_id, p.period_start, p.currency;
end $$;

create function billed_again() returns trigger language plpgsql as $$
declare
    clients bigint[];
    starts timestamptz[];
begin
    select array_agg(client_id), array_agg(period_start) into clients, starts
    from (select distinct b.client_id, c.period_start from changed c join bucket b on b.id = c.bucket_id) pairs;
    if clients is not null then
        perform refresh_billed(clients, starts);
    end if;
    return null;
end $$;

create trigger billed_insert after insert on billing_reading
    referencing new table as changed for each statement execute function billed_again();
create trigger billed_update after update on billing_reading
    referencing new table as changed for each statement execute function billed_again();
create trigger billed_delete after delete on billing_reading
    referencing old table as changed for each statement execute function billed_again();

select refresh_billed(array_agg(client_id), array_agg(period_start))
from (select distinct b.client_id, r.period_start from billing_reading r join bucket b on b.id = r.bucket_id) pairs;
