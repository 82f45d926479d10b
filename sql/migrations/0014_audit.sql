-- serves_from: 11
-- Who changed which record: written by triggers, so that no code path can forget it.

-- One act of somebody: all records that one transaction changed.
create table audit_group (
    id         bigint primary key generated always as identity,
    at         timestamptz not null default clock_timestamp(),
    -- Name of the key, or db:<user> for whoever came past the aggregator, or job:<name>.
    actor      text not null,
    key_id     bigint references api_key,
    request_id text not null default '',
    -- What was called, in words of the program: Inventory/AssignAssets, provisioning, undo 17.
    act        text not null default '',
    -- The group that this one undoes, and the one that undid this one.
    undoes     bigint references audit_group,
    undone_by  bigint references audit_group
);

create table audit_entry (
    id         bigint primary key generated always as identity,
    group_id   bigint not null references audit_group,
    action     text not null check (action in ('insert', 'update', 'delete')),
    table_name text not null,
    -- The record's primary key, as text; parts of a key are joined by '/'.
    record_id  text not null,
    -- Clients it concerns, for lists by client; empty when none.
    client_id  bigint,
    -- Only the columns that changed, for updates.
    old_values jsonb,
    new_values jsonb
);

create index audit_entry_group on audit_entry (group_id);
create index audit_entry_record on audit_entry (table_name, record_id, id);
