-- serves_from: 11
-- All that a bucket can agree on, how clients and buckets end, and the templates by which buckets are provisioned. An
-- older program would rate terms without their tiers, minimum and end, so it is not served any more.

alter table client
    -- Days after a period's end after which it is finalised with its open items written onto the readings; null: wait.
    add column close_after_days smallint check (close_after_days between 0 and 365),
    add column contact text not null default '',
    -- First local day on which the client is disabled; null while it is enabled.
    add column disabled_on date,
    -- Name and contact were replaced; the figures stay.
    add column erased_at timestamptz;

update client set disabled_on = current_date where not enabled;
alter table client add constraint client_disabled check (enabled = (disabled_on is null));

-- A change of cycle, zone or currency: what held before it, [until, …) is the client's own row. Periods that start before
-- `ended_on` (a local day, the end of a period of the old cycle) are of this cycle.
create table client_cycle (
    client_id       bigint not null references client,
    ended_on        date not null,
    currency        text not null,
    currency_digits smallint not null,
    time_zone       text not null,
    cycle_unit      text not null check (cycle_unit in ('month', 'week')),
    cycle_count     smallint not null,
    cycle_anchor    date not null,
    primary key (client_id, ended_on)
);

alter table bucket
    -- Made by provisioning from this template; null when made by hand.
    add column template_id bigint,
    add column updated_at timestamptz;

alter table bucket_terms
    -- First local day on which they do not hold any more; null: until the next terms start, or open.
    add column ends_on date,
    add column package numeric check (package > 0),
    add column minimum numeric check (minimum >= 0),
    add column maximum numeric check (maximum >= 0),
    -- Graduated prices of overage units, [{"above": "0", "price": "2"}, …], counted from the first overage unit; null: one price.
    add column tiers jsonb,
    -- Of aggregation pNN: a decimal above 0 and at most 100, such as 95 or 99.9; null otherwise.
    add column percentile numeric check (percentile > 0 and percentile <= 100 and scale(percentile) <= 3),
    -- Slots over which the last measured level is carried into a gap, 0 is the rule `zero`; null: as the unit type says.
    add column gap_hold smallint check (gap_hold between 0 and 288),
    add column prorate boolean not null default false,
    add column created_at timestamptz not null default now(),
    drop constraint bucket_terms_aggregation_check,
    add constraint bucket_terms_aggregation_check check (
        aggregation in ('sum', 'avg', 'max', 'min', 'sum_of_max', 'percentile', 'last', 'count')
    ),
    add constraint bucket_terms_percentile check ((aggregation = 'percentile') = (percentile is not null)),
    add constraint bucket_terms_ends check (ends_on > starts_on),
    add constraint bucket_terms_range check (minimum <= maximum);

-- By which buckets are provisioned: of a source type and a unit type, for assets whose `field` matches the pattern.
create table template (
    id             bigint primary key generated always as identity,
    source_type_id smallint not null references source_type,
    unit_type_id   smallint not null references unit_type,
    -- The bucket's conditions beside client and source type, as in bucket_filter; [] matches every asset.
    conditions     jsonb not null default '[]',
    aggregation    text not null
        check (aggregation in ('sum', 'avg', 'max', 'min', 'sum_of_max', 'percentile', 'last', 'count')),
    percentile     numeric,
    commit         numeric not null default 0 check (commit >= 0),
    enabled        boolean not null default true,
    created_at     timestamptz not null default now(),
    check ((aggregation = 'percentile') = (percentile is not null))
);

alter table bucket add foreign key (template_id) references template on delete set null;

create table template_price (
    template_id   bigint not null references template on delete cascade,
    currency      text not null check (currency ~ '^[A-Z]{3}$'),
    base_price    numeric not null check (base_price >= 0 and scale(base_price) <= 10),
    overage_price numeric not null check (overage_price >= 0 and scale(overage_price) <= 10),
    primary key (template_id, currency)
);

-- What provisioning could not decide and did not guess; written anew by every run.
create table provisioning_problem (
    client_id      bigint not null references client,
    source_type_id smallint not null references source_type,
    unit_type_id   smallint not null references unit_type,
    -- 'no-price': no template price in the client's currency; 'two-templates': several fit the same asset.
    reason         text not null check (reason in ('no-price', 'two-templates')),
    detail         text not null,
    assets         integer not null,
    found_at       timestamptz not null default now(),
    primary key (client_id, source_type_id, unit_type_id, reason)
);

-- A rule can be deleted; time that it assigned stays what it is and still says that a rule did it.
alter table assignment drop constraint assignment_rule_id_fkey;
create index assignment_by_rule on assignment (rule_id) where rule_id is not null;

-- Finalised time: nothing that a finalised figure stands on is changed any more, whatever the program says. Whoever tries
-- is told by the error code UL001, whose text is meant for people.

-- Where each row's change begins, against the finalised time of whose it was and whose it is.
create function refuse_finalised_assignments() returns trigger
language plpgsql as $$
declare
    refused record;
begin
    if tg_op = 'INSERT' then
        select n.asset_id, c.name into refused
        from added n
        join client c on c.id = n.client_id
        where n.from_slot < c.finalised_slot;
    elsif tg_op = 'DELETE' then
        select o.asset_id, c.name into refused
        from removed o
        join client c on c.id = o.client_id
        where o.from_slot < c.finalised_slot;
    else
        select o.asset_id, c.name into refused
        from removed o
        join added n on n.id = o.id
        join client c on c.id in (o.client_id, n.client_id)
        where case
            when (o.asset_id, o.client_id, o.from_slot) is distinct from (n.asset_id, n.client_id, n.from_slot)
                then least(o.from_slot, n.from_slot)
            when o.to_slot <> n.to_slot then least(o.to_slot, n.to_slot)
        end < c.finalised_slot;
    end if;
    if refused is not null then
        raise exception using errcode = 'UL001', message = format(
            'asset %s: its time with %s is finalised there and cannot be assigned anew; begin where finalised time ends',
            refused.asset_id, refused.name
        );
    end if;
    return null;
end $$;

create trigger assignment_added after insert on assignment
referencing new table as added for each statement execute function refuse_finalised_assignments();
create trigger assignment_changed after update on assignment
referencing old table as removed new table as added for each statement execute function refuse_finalised_assignments();
create trigger assignment_removed after delete on assignment
referencing old table as removed for each statement execute function refuse_finalised_assignments();

-- The same of bindings, by the bucket's client. The one exception is backdating: a binding by hand where the series had
-- none, in a transaction that says so (set_config('ullage.backdating', 'on', true)); it acts through adjustments only.
create function refuse_finalised_bindings() returns trigger
language plpgsql as $$
declare
    refused record;
begin
    if tg_op = 'INSERT' then
        select n.series_id, k.name into refused
        from added n
        join bucket k on k.id = n.bucket_id
        join client c on c.id = k.client_id
        where n.from_slot < c.finalised_slot
            and not (n.by_hand and coalesce(current_setting('ullage.backdating', true), '') = 'on');
    elsif tg_op = 'DELETE' then
        select o.series_id, k.name into refused
        from removed o
        join bucket k on k.id = o.bucket_id
        join client c on c.id = k.client_id
        where o.from_slot < c.finalised_slot;
    else
        select o.series_id, k.name into refused
        from removed o
        join added n on n.id = o.id
        join bucket k on k.id in (o.bucket_id, n.bucket_id)
        join client c on c.id = k.client_id
        where case
            when (o.series_id, o.bucket_id, o.from_slot) is distinct from (n.series_id, n.bucket_id, n.from_slot)
                then least(o.from_slot, n.from_slot)
            when o.to_slot <> n.to_slot then least(o.to_slot, n.to_slot)
        end < c.finalised_slot;
    end if;
    if refused is not null then
        raise exception using errcode = 'UL001', message = format(
            'series %s: its time in the bucket %s is finalised and cannot be bound anew; begin where finalised time ends',
            refused.series_id, refused.name
        );
    end if;
    return null;
end $$;

create trigger binding_added after insert on binding
referencing new table as added for each statement execute function refuse_finalised_bindings();
create trigger binding_changed after update on binding
referencing old table as removed new table as added for each statement execute function refuse_finalised_bindings();
create trigger binding_removed after delete on binding
referencing old table as removed for each statement execute function refuse_finalised_bindings();

-- Whether terms held, or with these days would hold, in a finalised reading of their bucket.
create function terms_are_finalised(agreed bucket_terms, since date default null) returns boolean
language sql stable
return exists (
    select
    from billing_reading r
    join bucket k on k.id = r.bucket_id
    join client c on c.id = k.client_id
    where r.bucket_id = agreed.bucket_id and r.finalised_at is not null
        and r.to_slot > slot_of(coalesce(since, agreed.starts_on)::timestamp at time zone c.time_zone)
        and r.from_slot < coalesce(
            slot_of(
                least(
                    agreed.ends_on,
                    (
                        select min(t.starts_on)
                        from bucket_terms t
                        where t.bucket_id = agreed.bucket_id and t.starts_on > agreed.starts_on and t.id <> agreed.id
                    )
                )::timestamp at time zone c.time_zone
            ),
            2147483647
        )
);

-- What finalised readings used stays as it is, but for an end after them. All others are to be rated again: a run compares
-- terms by their id, so that what was edited in place shows by the mark alone.
create function keep_finalised_terms() returns trigger
language plpgsql as $$
declare
    refused boolean;
begin
    if tg_op = 'INSERT' then
        refused := terms_are_finalised(new);
    elsif tg_op = 'DELETE' then
        refused := terms_are_finalised(old);
    elsif to_jsonb(old) = to_jsonb(new) then
        refused := false;
    elsif to_jsonb(old) - 'ends_on' = to_jsonb(new) - 'ends_on' then
        -- Only the end moves: it must lie behind whatever is finalised, before and after.
        refused := terms_are_finalised(old, least(old.ends_on, new.ends_on))
            or terms_are_finalised(new, least(old.ends_on, new.ends_on));
    else
        refused := terms_are_finalised(old) or terms_are_finalised(new);
    end if;
    if refused then
        raise exception using errcode = 'UL001', message =
            'these terms hold in time that is finalised; leave them as they are and add terms that start after it';
    end if;
    if tg_op = 'DELETE' then
        -- Rated under terms that are going; the next run rates them under what holds then.
        delete from billing_reading where terms_id = old.id and finalised_at is null;
        return old;
    end if;
    return new;
end $$;

create trigger bucket_terms_finalised before insert or update or delete on bucket_terms
for each row execute function keep_finalised_terms();

create function mark_terms_dirty() returns trigger
language plpgsql as $$
declare
    changed bigint := case tg_op when 'DELETE' then old.bucket_id else new.bucket_id end;
begin
    -- One day within each period that is rated already stands for all of it. The update on conflict is a lock.
    insert into dirty as known (bucket_id, day_slot)
    select r.bucket_id, (r.from_slot + 288) / 288 * 288
    from billing_reading r
    where r.bucket_id = changed and r.finalised_at is null
    order by 2
    on conflict (bucket_id, day_slot) do update set day_slot = known.day_slot;
    return null;
end $$;

create trigger bucket_terms_dirty after insert or update or delete on bucket_terms
for each row execute function mark_terms_dirty();

-- Whether a unit type has readings: then what its steps mean is fixed.
create index series_unit_type on series (unit_type_id);
