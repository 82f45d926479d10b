-- serves_from: 1
-- What the server offers decides, here and nowhere else: with TimescaleDB the large tables become hypertables, without
-- it they stay plain tables. Everything else is the same SQL on both.

do $$
begin
    if exists (select from pg_available_extensions where name = 'timescaledb') then
        create extension if not exists timescaledb;
    end if;
end $$;

-- Makes `target` a hypertable partitioned by `dimension` where TimescaleDB is there. `width` is the chunk's width in the
-- unit of the column: an interval as text for times, a number for slots.
create function make_hypertable(target regclass, dimension name, width text) returns void
language plpgsql as $$
begin
    if not exists (select from pg_extension where extname = 'timescaledb') then
        return;
    end if;
    if (select atttypid from pg_attribute where attrelid = target and attname = dimension) = 'timestamptz'::regtype then
        perform create_hypertable(target, by_range(dimension, width::interval), create_default_indexes => false);
    else
        perform create_hypertable(target, by_range(dimension, width::bigint), create_default_indexes => false);
    end if;
end $$;

-- Slot numbers count 5-minute units since 1970-01-01 UTC. A slot of 60 minutes has a number divisible by 12.
create function slot_of(at timestamptz) returns integer
language sql immutable strict parallel safe
return floor(extract(epoch from at) / 300)::integer;

create function slot_start(slot integer) returns timestamptz
language sql immutable strict parallel safe
return to_timestamp(slot * 300::bigint);

-- The key of `id` and a span of slots in one int8range, so that core PostgreSQL can refuse an overlap.
create function span_of(id bigint, from_slot integer, to_slot integer) returns int8range
language sql immutable strict parallel safe
return int8range(id << 32 | from_slot, id << 32 | to_slot);
