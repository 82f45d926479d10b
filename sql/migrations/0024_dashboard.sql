-- serves_from: 18
-- What the dashboard and the list of clients read instead of projections: sums by client and period, kept with every change
-- of a projection.

create table projected_client (
    client_id    bigint not null references client,
    period_start timestamptz not null,
    period_end   timestamptz not null,
    currency     text not null,
    -- How many there are: with none it says nothing, but stays, so that whoever changes them can wait for one another.
    projections  bigint not null,
    cost         numeric not null,
    primary key (client_id, period_start, period_end, currency)
) with (fillfactor = 70);

create index projected_client_end on projected_client (period_end);

create function sum_projected(clients bigint[], starts timestamptz[])
returns table (
    client_id bigint, period_start timestamptz, period_end timestamptz, currency text, projections bigint, cost numeric
)
language sql stable as $$
    select b.client_id, p.period_start, p.period_end, p.currency, count(*), sum(p.projected_cost)
    from unnest(clients, starts) as again (client_id, period_start)
    join bucket b on b.client_id = again.client_id
    join projection p on p.bucket_id = b.id and p.period_start = again.period_start
    group by b.client_id, p.period_start, p.period_end, p.currency
$$;

-- Sums the projections of these clients' periods again. Of two transactions that change projections of one client's period the
-- second waits here, and what it reads after that has what the first one wrote. In the order of keys, so that they do not
-- wait for one another.
create function refresh_projected(clients bigint[], starts timestamptz[]) returns void
language plpgsql as $$
begin
    insert into projected_client
    select s.client_id, s.period_start, s.period_end, s.currency, 0, 0
    from sum_projected(clients, starts) s
    order by s.client_id, s.period_start, s.period_end, s.currency
    on conflict do nothing;
    perform from projected_client k
    where (k.client_id, k.period_start) in (select * from unnest(clients, starts))
    order by k.client_id, k.period_start, k.period_end, k.currency
    for update;
    update projected_client k
    set projections = coalesce(s.projections, 0), cost = coalesce(s.cost, 0)
    from (
        select kept.client_id, kept.period_start, kept.period_end, kept.currency, summed.projections, summed.cost
        from projected_client kept
        left join sum_projected(clients, starts) summed using (client_id, period_start, period_end, currency)
        where (kept.client_id, kept.period_start) in (select * from unnest(clients, starts))
    ) s
    where (k.client_id, k.period_start, k.period_end, k.currency) = (s.client_id, s.period_start, s.period_end, s.currency)
      and (k.projections, k.cost) is distinct from (coalesce(s.projections, 0), coalesce(s.cost, 0));
end $$;

create function projected_again() returns trigger language plpgsql as $$
declare
    clients bigint[];
    starts timestamptz[];
begin
    select array_agg(client_id), array_agg(period_start) into clients, starts
    from (select distinct b.client_id, c.period_start from changed c join bucket b on b.id = c.bucket_id) pairs;
    if clients is not null then
        perform refresh_projected(clients, starts);
    end if;
    return null;
end $$;

create trigger projected_insert after insert on projection
    referencing new table as changed for each statement execute function projected_again();
create trigger projected_update after update on projection
    referencing new table as changed for each statement execute function projected_again();
create trigger projected_delete after delete on projection
    referencing old table as changed for each statement execute function projected_again();

insert into projected_client
select s.* from (
    select array_agg(client_id) as clients, array_agg(period_start) as starts
    from (select distinct b.client_id, p.period_start from projection p join bucket b on b.id = p.bucket_id) pairs
) every
cross join lateral sum_projected(every.clients, every.starts) s;

-- New overages are walked from the worst one on.
create index projection_worst on projection (percent_of_commit desc, bucket_id) where percent_of_commit >= 100;
