-- serves_from: 13
-- What lists, estimates, dry runs and suggestions read instead of slots: usage per series and month, when assets were last
-- seen, what may be unbound, and what assets have in common.

-- What a slot of a series is worth, in steps (design: "From readings to money", rule 3).
create function value_of_slot(kind text, level_value text, n integer, total bigint, high bigint, last bigint) returns bigint
language sql immutable parallel safe
return case
    when kind = 'amount' then total
    when level_value = 'high' then high
    when level_value = 'last' then last
    -- (2·total + n) div 2n, which cannot overflow so.
    else total / n + (2 * (total % n) >= n)::integer
end;

-- Of calendar months in UTC, of slots that were rolled up; the values of slots, added, the highest and the latest. Written
-- in the roll-up's transaction. Of several agents that report one series in a slot, amounts add; of a level the agent with
-- more readings counts, then the lower id.
create table series_usage (
    series_id integer not null references series,
    -- First day of the month.
    month     date not null,
    total     numeric not null,
    high      bigint not null,
    last      bigint not null,
    -- That the value `last` is of.
    last_slot integer not null,
    slots     integer not null,
    readings  bigint not null,
    primary key (series_id, month)
) with (fillfactor = 80);

-- End of the last slot in which something was measured of the asset.
create table asset_seen (
    asset_id  bigint primary key references asset on delete cascade,
    -- 0: nothing was measured yet. Every asset has a row.
    last_slot integer not null default 0
) with (fillfactor = 80);

create index asset_seen_slot on asset_seen (slot_start(last_slot), asset_id);

-- Assets of which it is not sure that they have a client now and always: of these few it is asked who has none.
create table asset_unowned (
    asset_id bigint primary key references asset on delete cascade
);

-- Every series that may have unbound usage, now or later; the definition itself is asked of these few (queries/assets.sql).
-- Not here are only series whose whole time from the end of their client's finalised time on is bound to enabled buckets and
-- whose asset stays with that client. Spans are of slots, and counted in whole ones of the unit type's width.
create table unbound_candidate (
    series_id integer primary key references series on delete cascade,
    asset_id  bigint not null,
    width     smallint not null,
    -- Time that is bound to no enabled bucket.
    gaps      int4multirange not null,
    -- Time in which it was measured, between the outermost slots of each agent.
    measured  int4multirange not null default '{}',
    loose     int4multirange not null generated always as (gaps * measured) stored,
    -- What its usage that is not billed is about worth, as of the last roll-up; null: no price.
    money     numeric,
    currency  text,
    -- The money must be worked out anew.
    stale     boolean not null default true
) with (fillfactor = 70);

-- With all that the question needs: the table is loose where many series came and were bound.
create index unbound_candidate_asset on unbound_candidate (asset_id) include (width, loose, money, currency);
create index unbound_candidate_stale on unbound_candidate (series_id) where stale;

-- Spans of 5-minute units in whole slots of a width, counted in slots: a slot belongs to what holds at its start.
create function whole_slots(from_slot integer, to_slot integer, width integer) returns int4range
language sql immutable strict parallel safe
return int4range(
    ((from_slot::bigint + width - 1) / width)::integer, ((to_slot::bigint + width - 1) / width)::integer
);

-- Works out anew which of these series may have unbound usage. Whoever changes what it looks at calls it afterwards; it
-- waits for the roll-up, so that of the two one sees the other. Its time must grow with how many they are, also in the
-- transaction that fills these tables, of which statistics know nothing yet: so everything is looked up row by row, and
-- planned anew each time.
create function refresh_unbound(changed integer[]) returns void
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    at integer := slot_of(clock_timestamp());
begin
    if changed is null or cardinality(changed) = 0 then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ullage.bound', 0));
    with asked as materialized (
        select s.id, s.asset_id, (u.slot_minutes / 5)::smallint as width,
               -- Of whose it is from now on for good, as far as anybody knows.
               (select (select c.finalised_slot from client c where c.id = x.client_id)
                from assignment x
                where x.asset_id = s.asset_id and x.from_slot <= at and x.to_slot = 2147483647) as finalised_slot
        from unnest(changed) as wanted (id)
        cross join lateral (select * from series where series.id = wanted.id offset 0) as s
        join unit_type u on u.id = s.unit_type_id
    ), looked_at as materialized (
        select asked.id, asked.asset_id, asked.width, bound.slots, bound.settled
        from asked
        cross join lateral (
            select range_agg(whole_slots(b.from_slot, b.to_slot, asked.width)) as slots,
                   coalesce(bool_or(b.from_slot <= asked.finalised_slot and b.to_slot = 2147483647), false) as settled
            from binding b
            where b.series_id = asked.id and (select k.enabled from bucket k where k.id = b.bucket_id)
        ) as bound
    ), gone as (
        delete from unbound_candidate u using looked_at l where u.series_id = l.id and l.settled
    )
    insert into unbound_candidate as known (series_id, asset_id, width, gaps, measured)
    select l.id, l.asset_id, l.width,
           int4multirange(whole_slots(0, 2147483647, l.width)) - coalesce(l.slots, '{}'),
           coalesce((
               select range_agg(whole_slots(m.from_slot, m.to_slot, l.width))
               from series_agent m where m.series_id = l.id), '{}')
    from looked_at l
    where not l.settled
    order by l.id
    on conflict (series_id) do update set
        asset_id = excluded.asset_id, gaps = excluded.gaps, measured = excluded.measured, stale = true
    -- Mostly nothing is different: a row that is written anew for nothing costs more than all of the above.
    where not known.stale or known.asset_id <> excluded.asset_id or known.gaps <> excluded.gaps
        or known.measured <> excluded.measured;
end $$;

-- The unbound assets (`wanted` null: all; else of these) at a slot: how many series of each have a measured slot bound to
-- no enabled bucket, where the oldest such slot starts, and what they are about worth. Looked at is the client's unfinalised
-- time, for an unassigned asset the time from `month_slot` on.
create function unbound_assets(wanted bigint[], at integer, month_slot integer)
returns table (asset_id bigint, series integer, since_slot integer, money numeric, currency text)
language sql stable as $$
    select u.asset_id, count(*)::integer,
           min(case when lower(u.loose) >= billable.slot then lower(u.loose)
                    else lower(u.loose * int4multirange(int4range(billable.slot, null))) end * u.width)::integer,
           sum(u.money), min(u.currency)
    from unbound_candidate u
    join asset a on a.id = u.asset_id
    left join assignment x on x.asset_id = u.asset_id and x.from_slot <= at and x.to_slot > at
    left join client c on c.id = x.client_id
    cross join lateral (
        select ((coalesce(c.finalised_slot, month_slot)::bigint + u.width - 1) / u.width)::integer as slot
    ) as billable
    where a.enabled and a.disregarded_at is null and (wanted is null or u.asset_id = any (wanted))
      and upper(u.loose) > billable.slot
    group by u.asset_id
$$;

-- Whoever changes many assignments and bindings together says so with `ullage.unbound_later` = 'on' in its transaction, and
-- calls refresh_unbound itself when all is there: else each series would be looked at two or three times.
create function unbound_later() returns boolean language sql stable
return coalesce(current_setting('ullage.unbound_later', true), '') = 'on';

create function unbound_after_binding() returns trigger language plpgsql as $$
begin
    if not unbound_later() then
        perform refresh_unbound(array(select distinct series_id from changed));
    end if;
    return null;
end $$;

create function unbound_after_assignment() returns trigger
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    assets bigint[] := array(select distinct asset_id from changed order by 1);
begin
    perform pg_advisory_xact_lock(hashtextextended('ullage.bound', 0));
    with asked as materialized (
        select wanted.id, coalesce((
            select true
            from assignment x
            where x.asset_id = wanted.id and x.from_slot <= slot_of(clock_timestamp()) and x.to_slot = 2147483647
        ), false) as owned
        from unnest(assets) as wanted (id)
    ), gone as (
        delete from asset_unowned u using asked where u.asset_id = asked.id and asked.owned
    )
    insert into asset_unowned (asset_id)
    select id from asked where not owned order by id
    on conflict do nothing;
    if not unbound_later() then
        perform refresh_unbound(array(select id from series where asset_id = any (assets)));
    end if;
    return null;
end $$;

create function unbound_after_series() returns trigger language plpgsql as $$
begin
    -- Nothing is bound or measured of a new one, so nobody has to be waited for.
    insert into unbound_candidate (series_id, asset_id, width, gaps)
    select s.id, s.asset_id, u.slot_minutes / 5, int4multirange(whole_slots(0, 2147483647, u.slot_minutes / 5))
    from created s
    join unit_type u on u.id = s.unit_type_id
    on conflict do nothing;
    return null;
end $$;

create function unbound_after_row() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'bucket' then
        perform refresh_unbound(array(select distinct series_id from binding where bucket_id = new.id));
    elsif tg_table_name = 'series' then
        perform refresh_unbound(array[new.id]);
    elsif new.finalised_slot > old.finalised_slot then
        -- What is past need not be kept: only what is here already may go.
        perform refresh_unbound(array(
            select series_id from unbound_candidate
            where asset_id = any (array(select asset_id from assignment where client_id = new.id))
        ));
    else
        perform refresh_unbound(array(
            select id from series
            where asset_id = any (array(select asset_id from assignment where client_id = new.id))
        ));
    end if;
    return null;
end $$;

create trigger unbound_binding_insert after insert on binding
    referencing new table as changed for each statement execute function unbound_after_binding();
create trigger unbound_binding_delete after delete on binding
    referencing old table as changed for each statement execute function unbound_after_binding();
-- A binding's series never changes.
create trigger unbound_binding_update after update on binding
    referencing new table as changed for each statement execute function unbound_after_binding();
create trigger unbound_assignment_insert after insert on assignment
    referencing new table as changed for each statement execute function unbound_after_assignment();
create trigger unbound_assignment_delete after delete on assignment
    referencing old table as changed for each statement execute function unbound_after_assignment();
create trigger unbound_assignment_update after update on assignment
    referencing new table as changed for each statement execute function unbound_after_assignment();
create trigger unbound_series_insert after insert on series
    referencing new table as created for each statement execute function unbound_after_series();
create trigger unbound_series_update after update of asset_id on series
    for each row when (old.asset_id <> new.asset_id) execute function unbound_after_row();
create trigger unbound_bucket after update of enabled on bucket
    for each row when (old.enabled <> new.enabled) execute function unbound_after_row();
create trigger unbound_client after update of finalised_slot on client
    for each row when (old.finalised_slot <> new.finalised_slot) execute function unbound_after_row();

-- What assets have in common, one row a trait: by these, suggestions find assets like another.
create table asset_trait (
    asset_id bigint not null references asset on delete cascade,
    -- pattern (name with its numbers folded), stem (its first word), label, agent, network (/24 or /64).
    kind     text not null,
    value    text not null,
    primary key (kind, value, asset_id)
);

create index asset_trait_asset on asset_trait (asset_id);

-- Also the address as people write it: what is no address has no network.
create function network_of(address text) returns text
language plpgsql immutable strict as $$
begin
    return text(network(set_masklen(address::inet, case family(address::inet) when 4 then 24 else 64 end)));
exception when others then
    return null;
end $$;

create function traits_of(assets bigint[]) returns table (asset_id bigint, kind text, value text)
language sql stable as $$
    select a.id, trait.kind, left(t.name || ' ' || trait.value, 200)
    from asset a
    join source_type t on t.id = a.source_type_id
    cross join lateral (
        select 'pattern', regexp_replace(lower(a.name), '[0-9]+', '#', 'g') where a.name <> ''
        union all
        select 'stem', substring(lower(a.name) from '^[[:alpha:]]+') where substring(a.name from '^[[:alpha:]]{2,}') is not null
        union all
        (select 'label', label.key || '=' || label.value from jsonb_each_text(a.labels) as label (key, value)
         where label.value <> '' order by label.key limit 16)
        union all
        select 'network', network_of(a.address) where a.address <> '' and network_of(a.address) is not null
        union all
        select 'agent', a.agent_id::text
    ) as trait (kind, value)
    where a.id = any (assets)
$$;

create function asset_created() returns trigger language plpgsql as $$
begin
    insert into asset_seen (asset_id) select id from changed;
    insert into asset_unowned (asset_id) select id from changed;
    insert into asset_trait (asset_id, kind, value)
    select asset_id, kind, value from traits_of(array(select id from changed)) on conflict do nothing;
    return null;
end $$;

create trigger asset_created after insert on asset
    referencing new table as changed for each statement execute function asset_created();

create function asset_traits_again() returns trigger language plpgsql as $$
begin
    delete from asset_trait where asset_id = new.id;
    insert into asset_trait (asset_id, kind, value)
    select asset_id, kind, value from traits_of(array[new.id]) on conflict do nothing;
    return null;
end $$;

create trigger asset_traits_update after update of name, labels, address on asset for each row
    when ((old.name, old.labels, old.address) is distinct from (new.name, new.labels, new.address))
    execute function asset_traits_again();

-- Lists are walked in the order in which they are shown.
create index asset_created on asset (created_at, id);
create index asset_new on asset (id) where acknowledged_at is null;
create index asset_disregarded on asset (id) where disregarded_at is not null;
create index asset_disabled on asset (id) where not enabled;
create index asset_by_hand on asset (id) where assigned_by_hand;
create index binding_by_hand on binding (series_id) where by_hand;
create index asset_labels on asset using gin (labels jsonb_path_ops);
create index client_name on client ((lower(name) collate "C"), id);
create index bucket_name on bucket ((lower(name) collate "C"), id);

insert into asset_trait (asset_id, kind, value)
select asset_id, kind, value from traits_of(array(select id from asset)) on conflict do nothing;

insert into asset_seen (asset_id, last_slot)
select a.id, coalesce((select max(m.to_slot) from series s join series_agent m on m.series_id = s.id where s.asset_id = a.id), 0)
from asset a;

insert into asset_unowned (asset_id)
select id from asset
where not exists (
    select from assignment x
    where x.asset_id = asset.id and x.from_slot <= slot_of(clock_timestamp()) and x.to_slot = 2147483647
);

select refresh_unbound(array(select id from series));

-- What was rolled up before counts too.
with cell as (
    select agent_id, slot, unnest(series) as series_id, unnest(n) as n, unnest(total) as total, unnest(high) as high,
           unnest(last) as last
    from (select * from slot_60 union all select * from slot_5) as row
), measured as (
    select c.series_id, c.slot,
           case u.kind when 'amount' then sum(value_of_slot(u.kind, u.level_value, c.n, c.total, c.high, c.last))
                else (array_agg(value_of_slot(u.kind, u.level_value, c.n, c.total, c.high, c.last)
                                order by c.n desc, c.agent_id))[1] end as value,
           case u.kind when 'amount' then sum(c.n) else max(c.n) end as n
    from cell c
    join series s on s.id = c.series_id
    join unit_type u on u.id = s.unit_type_id
    group by c.series_id, c.slot, u.kind
)
insert into series_usage (series_id, month, total, high, last, last_slot, slots, readings)
select series_id, date_trunc('month', slot_start(slot) at time zone 'UTC')::date, sum(value), max(value),
       (array_agg(value order by slot desc))[1], max(slot), count(*), sum(n)
from measured
group by 1, 2;
