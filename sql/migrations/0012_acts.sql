-- serves_from: 11
-- What people decide about assets: disregarding, merging, binding by hand.

alter table asset
    -- The asset that this one was merged into: its series point there, it is in no list. Never a chain.
    add column merged_into bigint references asset check (merged_into <> id),
    add column merged_at timestamptz,
    add column updated_at timestamptz;

create index asset_merged on asset (merged_into) where merged_into is not null;

-- The asset whose the series was before a merge; null when it was always of the asset it points to.
alter table series add column merged_from bigint references asset;
create index series_merged on series (merged_from) where merged_from is not null;

alter table binding add column created_at timestamptz not null default now();

alter table suppression
    -- Who made and who ended it, in words; the audit log has the rest.
    add column created_by text not null default '',
    add column ended_by text not null default '';

alter table quarantine add column settled_by text not null default '';
