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
