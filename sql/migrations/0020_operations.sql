-- serves_from: 20
-- Long runs say how far they are; raw readings are dropped at their age, and what comes for dropped time is kept aside. An
-- older program would store such readings where nothing is computed from them any more, so it is not served.

alter table run
    -- Of what the job counts as its steps; null: it does not say.
    add column total bigint,
    add column done bigint;

-- What was admitted under an older floor is admitted again.
create trigger raw_floor_moves_rules after update on raw_floor
for each statement execute function move_rules_version();

-- The latest time up to which whole chunks of raw readings can go, at or before `before`; null: there is nothing to drop.
-- Without chunks it is cut to the same seven days.
create function raw_border(before timestamptz) returns timestamptz
language plpgsql stable as $$
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        return (
            select max(range_end) from timescaledb_information.chunks
            where hypertable_schema = current_schema and hypertable_name = 'tick' and range_end <= before
        );
    end if;
    return (
        select date_bin('7 days', before, '1970-01-01 00:00+00')
        where exists (select from tick where ticked_at < date_bin('7 days', before, '1970-01-01 00:00+00'))
    );
end $$;

-- Drops what lies before `border`, a time as raw_border gives it.
create function drop_raw(border timestamptz) returns void
language plpgsql as $$
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        perform drop_chunks('tick', older_than => border);
    else
        delete from tick where ticked_at < border;
    end if;
end $$;

create function drop_slots(first_slot integer) returns void
language plpgsql as $$
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        perform drop_chunks('slot_60', older_than => first_slot);
        perform drop_chunks('slot_5', older_than => first_slot);
    else
        delete from slot_60 where slot < first_slot;
        delete from slot_5 where slot < first_slot;
    end if;
end $$;

-- The control totals of each agent as the last check found them, and the time up to which batches were added up.
create table control_total (
    agent_id    bigint primary key references agent,
    checked_to  timestamptz not null,
    read        bigint not null,
    stored      bigint not null,
    quarantined bigint not null,
    suppressed  bigint not null,
    -- In words; empty: they add up.
    problem     text not null default ''
);
