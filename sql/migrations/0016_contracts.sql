-- serves_from: 11
-- What contracts count, to be compared with what is metered.

-- Replaced as a whole by each import for a client.
create table contract_count (
    client_id    bigint not null references client,
    unit_type_id smallint not null references unit_type,
    source_type_id smallint not null references source_type,
    quantity     numeric not null check (quantity >= 0),
    as_of        date not null,
    imported_at  timestamptz not null default clock_timestamp(),
    primary key (client_id, source_type_id, unit_type_id)
);
