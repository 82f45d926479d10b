-- serves_from: 11
-- What contracts count, to be compared with what is metered.

-- Of a client all counts are replaced together by an import that names it.
create table contract_count (
    id             bigint primary key generated always as identity,
    client_id      bigint not null references client,
    source_type_id smallint not null references source_type,
    -- Null: assets are counted.
    unit_type_id   smallint references unit_type,
    quantity       numeric not null check (quantity >= 0),
    -- The day that the contract speaks of.
    as_of          date not null,
    imported_at    timestamptz not null default clock_timestamp(),
    unique nulls not distinct (client_id, source_type_id, unit_type_id)
);
