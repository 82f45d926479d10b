-- serves_from: 1
-- What usage costs, who may ask, and what ran.

create table api_key (
    id           bigint primary key generated always as identity,
    name         text not null unique,
    -- First characters of the key, to recognise it by; the key itself is stored nowhere.
    prefix       text not null,
    sha256       bytea not null unique,
    role         text not null check (role in ('viewer', 'operator', 'billing', 'admin', 'client')),
    client_id    bigint references client,
    enabled      boolean not null default true,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    check ((role = 'client') = (client_id is not null))
);

create table run (
    id         bigint primary key generated always as identity,
    job        text not null,
    started_at timestamptz not null,
    ended_at   timestamptz,
    state      text not null check (state in ('running', 'done', 'failed', 'skipped')),
    counts     jsonb not null default '{}',
    error      text not null default ''
);

create index run_job on run (job, started_at desc);

-- Days (5-minute units since 1970 at 00:00 UTC) of a bucket whose usage, bindings or terms changed since it was rated.
create table dirty (
    bucket_id bigint not null references bucket,
    day_slot  integer not null,
    primary key (bucket_id, day_slot)
);

-- The result for one bucket and one period [from_slot, to_slot).
create table billing_reading (
    bucket_id     bigint not null references bucket,
    period_start  timestamptz not null,
    period_end    timestamptz not null,
    from_slot     integer not null,
    to_slot       integer not null,
    terms_id      bigint not null references bucket_terms,
    aggregation   text not null,
    quantity      numeric not null,
    commit        numeric not null,
    overage_units numeric not null,
    currency      text not null,
    used          numeric not null,
    buffer        numeric not null,
    overage       numeric not null,
    cost          numeric not null check (cost = used + buffer + overage),
    -- End of the last slot that counts.
    as_of_slot    integer not null,
    -- What was stored by then counts.
    cutoff        timestamptz not null,
    run_id        bigint not null references run,
    finalised_at  timestamptz,
    primary key (bucket_id, period_start)
);

create index billing_reading_end on billing_reading (period_end);

-- The newest projection of each bucket's open period.
create table projection (
    bucket_id          bigint not null references bucket,
    period_start       timestamptz not null,
    period_end         timestamptz not null,
    aggregation        text not null,
    current_quantity   numeric not null,
    projected_quantity numeric not null,
    currency           text not null,
    projected_cost     numeric not null,
    -- Per cent; null without a commit.
    percent_of_commit  numeric,
    calculated_at      timestamptz not null,
    run_id             bigint not null references run,
    primary key (bucket_id, period_start)
);
