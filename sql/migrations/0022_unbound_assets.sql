-- serves_from: 18
-- What is unbound of an asset in one row or two, so that lists and the dashboard do not look at each of its series.

-- Of an asset's candidates of one width that have loose time at all; spans are counted in slots of that width.
create table unbound_asset (
    asset_id  bigint not null references asset on delete cascade,
    width     smallint not null,
    series    integer not null,
    -- The first loose slot of all.
    from_slot integer not null,
    -- Where the loose time of the one that ends first, and of the one that ends last, is over.
    to_first  integer not null,
    to_last   integer not null,
    -- Each one's loose time is without a hole.
    solid     boolean not null,
    money     numeric,
    currency  text,
    primary key (asset_id, width)
) with (fillfactor = 70);

create function sum_unbound(assets bigint[])
returns table (
    asset_id bigint, width smallint, series integer, from_slot integer, to_first integer, to_last integer, solid boolean,
    money numeric, currency text
)
language sql stable as $$
    select u.asset_id, u.width, count(*)::integer, min(lower(u.loose)), min(upper(u.loose)), max(upper(u.loose)),
           bool_and(u.loose = int4multirange(range_merge(u.loose))), sum(u.money), min(u.currency)
    from unbound_candidate u
    where u.asset_id = any (assets) and not isempty(u.loose)
    group by u.asset_id, u.width
$$;

-- Sums the candidates of these assets again. Of two transactions that change candidates of one asset the second waits here,
-- and what it reads after that has what the first one wrote. In the order of assets, so that they do not wait for one another.
create function refresh_unbound_assets(assets bigint[]) returns void
language plpgsql set plan_cache_mode = force_custom_plan as $$
begin
    insert into unbound_asset (asset_id, width, series, from_slot, to_first, to_last, solid)
    select distinct u.asset_id, u.width, 0, 0, 0, 0, true
    from unbound_candidate u
    where u.asset_id = any (assets) and not isempty(u.loose)
    order by u.asset_id, u.width
    on conflict do nothing;
    perform from unbound_asset k where k.asset_id = any (assets) order by k.asset_id, k.width for update;
    with summed as materialized (
        select * from sum_unbound(assets)
    ), gone as (
        delete from unbound_asset k
        where k.asset_id = any (assets)
          and not exists (select from summed s where s.asset_id = k.asset_id and s.width = k.width)
    )
    update unbound_asset k
    set series = s.series, from_slot = s.from_slot, to_first = s.to_first, to_last = s.to_last, solid = s.solid,
        money = s.money, currency = s.currency
    from summed s
    where k.asset_id = s.asset_id and k.width = s.width
      and (k.series, k.from_slot, k.to_first, k.to_last, k.solid, k.money, k.currency)
          is distinct from (s.series, s.from_slot, s.to_first, s.to_last, s.solid, s.money, s.currency);
end $$;

-- Of a new series nothing is measured, so it changes no sum, and whoever stores what is new waits for nobody.
create function unbound_asset_after_insert() returns trigger language plpgsql as $$
declare
    assets bigint[] := array(select distinct asset_id from created where not isempty(loose) order by 1);
begin
    if cardinality(assets) > 0 then
        perform refresh_unbound_assets(assets);
    end if;
    return null;
end $$;

create function unbound_asset_after_update() returns trigger language plpgsql as $$
declare
    assets bigint[] := array(
        select distinct unnest(array[o.asset_id, n.asset_id])
        from old_rows o
        join new_rows n on n.series_id = o.series_id
        where (o.asset_id, o.width, o.loose, o.money, o.currency) is distinct from
              (n.asset_id, n.width, n.loose, n.money, n.currency)
        order by 1
    );
begin
    if cardinality(assets) > 0 then
        perform refresh_unbound_assets(assets);
    end if;
    return null;
end $$;

create function unbound_asset_after_delete() returns trigger language plpgsql as $$
declare
    assets bigint[] := array(select distinct asset_id from gone where not isempty(loose) order by 1);
begin
    if cardinality(assets) > 0 then
        perform refresh_unbound_assets(assets);
    end if;
    return null;
end $$;

create trigger unbound_asset_insert after insert on unbound_candidate
    referencing new table as created for each statement execute function unbound_asset_after_insert();
create trigger unbound_asset_update after update on unbound_candidate
    referencing old table as old_rows new table as new_rows
    for each statement execute function unbound_asset_after_update();
create trigger unbound_asset_delete after delete on unbound_candidate
    referencing old table as gone for each statement execute function unbound_asset_after_delete();

insert into unbound_asset select * from sum_unbound(array(select distinct asset_id from unbound_candidate));

-- As before (0013), from the sums wherever they are sure to say it; of other assets each candidate is looked at. Sums are
-- sure where every series has loose time that can be billed, and none a hole that the billable time might begin in.
create or replace function unbound_assets(wanted bigint[], at integer, month_slot integer)
returns table (asset_id bigint, series integer, since_slot integer, money numeric, currency text)
language sql stable as $$
    with judged as materialized (
        select k.asset_id, k.width, k.series, k.from_slot, k.money, k.currency, billable.slot,
               k.to_first > billable.slot and (k.solid or k.from_slot >= billable.slot) as sure
        from unbound_asset k
        join asset a on a.id = k.asset_id
        left join assignment x on x.asset_id = k.asset_id and x.from_slot <= at and x.to_slot > at
        left join client c on c.id = x.client_id
        cross join lateral (
            select ((coalesce(c.finalised_slot, month_slot)::bigint + k.width - 1) / k.width)::integer as slot
        ) as billable
        where a.enabled and a.disregarded_at is null and (wanted is null or k.asset_id = any (wanted))
          and k.to_last > billable.slot
    )
    select part.asset_id, sum(part.series)::integer, min(part.since_slot)::integer, sum(part.money), min(part.currency)
    from (
        select j.asset_id, j.series, greatest(j.from_slot, j.slot) * j.width as since_slot, j.money, j.currency
        from judged j
        where j.sure
        union all
        select j.asset_id, 1,
               case when lower(u.loose) >= j.slot then lower(u.loose)
                    else lower(u.loose * int4multirange(int4range(j.slot, null))) end * j.width,
               u.money, u.currency
        from judged j
        -- Looked up one by one: they are few, and their table is large.
        cross join lateral (
            select loose, candidate.money, candidate.currency
            from unbound_candidate candidate
            where candidate.asset_id = j.asset_id and candidate.width = j.width and upper(loose) > j.slot
            offset 0
        ) as u
        where not j.sure
    ) as part
    group by part.asset_id
$$;
