-- serves_from: 18
-- How periods become final: acknowledgements, evidence, adjustments, what came too late, and what projections said.

-- Somebody saw an open item of a close checklist and let the period be closed all the same.
create table acknowledgement (
    id           bigint primary key generated always as identity,
    client_id    bigint not null references client,
    period_start timestamptz not null,
    kind         text not null check (kind in ('agent-silent', 'coverage', 'quarantine', 'not-reviewed', 'unbound', 'terms')),
    subject      text not null,
    reason       text not null check (reason <> ''),
    made_by      text not null,
    made_at      timestamptz not null default clock_timestamp(),
    unique (client_id, period_start, kind, subject)
);

-- What a finalised reading was worked out from, as canonical text, and its SHA-256. Names stand beside it.
create table evidence (
    bucket_id    bigint not null,
    period_start timestamptz not null,
    body         text not null,
    sha256       bytea not null,
    names        jsonb not null default '{}',
    primary key (bucket_id, period_start),
    foreign key (bucket_id, period_start) references billing_reading
);

-- Corrects a finalised reading in the client's earliest unfinalised period.
create table adjustment (
    id              bigint primary key generated always as identity,
    bucket_id       bigint not null references bucket,
    -- The finalised period.
    period_start    timestamptz not null,
    period_end      timestamptz not null,
    -- The period in which it stands.
    in_start        timestamptz not null,
    in_end          timestamptz not null,
    delta_quantity  numeric not null,
    currency        text not null,
    amount          numeric not null,
    cutoff          timestamptz not null,
    run_id          bigint not null references run,
    reason          text not null default '',
    finalised_at    timestamptz,
    unique (bucket_id, period_start, in_start)
);

create index adjustment_in on adjustment (in_end);

-- Usage that can be billed no more: of finalised time before the look-back, or below the floor of raw readings.
create table too_late (
    id        bigint primary key generated always as identity,
    agent_id  bigint not null references agent,
    series_id integer not null references series,
    value     bigint not null,
    since     timestamptz not null,
    ticked_at timestamptz not null,
    stored_at timestamptz not null,
    reason    text not null check (reason in ('look-back', 'below-floor'))
);

create index too_late_series on too_late (series_id);

-- Oldest time from which raw readings are complete.
create table raw_floor (
    only_row boolean primary key default true check (only_row),
    floor    timestamptz not null
);

insert into raw_floor (floor) values ('-infinity');

alter table billing_reading
    -- Open items that it was finalised with, in words.
    add column open_items jsonb not null default '[]',
    -- Made again after a restore from backup.
    add column restored boolean not null default false;

create index billing_reading_provisional on billing_reading (period_end) where finalised_at is null;

alter table projection
    -- 10th and 90th percentile; null: unknown, fewer than 14 days of history.
    add column low_quantity numeric,
    add column high_quantity numeric,
    add column low_cost numeric,
    add column high_cost numeric,
    -- paths or run-rate.
    add column method text not null default 'run-rate';

-- What was projected on each day of a period, for the track record.
create table projection_history (
    bucket_id          bigint not null references bucket,
    period_start       timestamptz not null,
    -- Per cent of the period that had passed.
    share              smallint not null check (share between 0 and 100),
    projected_quantity numeric not null,
    low_quantity       numeric,
    high_quantity      numeric,
    projected_cost     numeric not null,
    calculated_at      timestamptz not null,
    primary key (bucket_id, period_start, share)
);

-- Seen items are decisions; that a period was finalised is one too, and stands in the client's finalised_slot.
select audit_table('acknowledgement', without => '{made_at}', client => '%1$s.client_id');

-- Finalised is final, whatever the program says: neither figures nor what they rest on are changed or removed, but for names
-- beside evidence, which erasing a client takes away.
create function keep_finalised() returns trigger
language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' then
        if tg_table_name = 'evidence' and not exists (select from evidence) then
            return null;
        elsif tg_table_name = 'adjustment' and not exists (select from adjustment where finalised_at is not null) then
            return null;
        elsif tg_table_name = 'billing_reading' and not exists (select from billing_reading where finalised_at is not null) then
            return null;
        end if;
    elsif tg_table_name = 'evidence' then
        if tg_op = 'UPDATE' and to_jsonb(old) - 'names' = to_jsonb(new) - 'names' then
            return new;
        end if;
    elsif old.finalised_at is null then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    raise exception using errcode = 'UL001', message =
        'this is finalised and never changes; what is found to be wrong with it is corrected by an adjustment in the client''s '
        'unfinalised period';
end $$;

create trigger billing_reading_finalised before update or delete on billing_reading
for each row execute function keep_finalised();
create trigger billing_reading_finalised_all before truncate on billing_reading
for each statement execute function keep_finalised();
create trigger evidence_finalised before update or delete on evidence
for each row execute function keep_finalised();
create trigger evidence_finalised_all before truncate on evidence
for each statement execute function keep_finalised();
create trigger adjustment_finalised before update or delete on adjustment
for each row execute function keep_finalised();
create trigger adjustment_finalised_all before truncate on adjustment
for each statement execute function keep_finalised();

alter table projection
    -- The run that had rated the reading it was made from: as long as that is the same, so is the projection.
    add column rated_by bigint;

-- What buckets used day by day (of UTC), from which projections are drawn; written by billing with the readings. Slots
-- [from_slot, to_slot) are of one day; where a period or segment begins within a day, it is kept in parts. In steps.
create table bucket_day (
    bucket_id bigint not null references bucket,
    from_slot integer not null,
    to_slot   integer not null,
    -- Slots with a value; where the aggregation does not look at single slots, 1 for any.
    filled    integer not null,
    total     numeric not null,
    -- Null where the aggregation does not look at single slots.
    high      numeric,
    low       numeric,
    -- Of the day's last slot, where the aggregation asks for it.
    last      numeric,
    -- In order of size, of the filled slots, where they are ranked.
    slot_values numeric[],
    primary key (bucket_id, from_slot),
    check (from_slot < to_slot)
);

-- Open and ended periods are rated once more, so that their days are there.
update billing_reading set agreed = null where finalised_at is null;
