-- serves_from: 11
-- What people decide about assets: disregarding, merging, binding by hand.

alter table asset
    -- The asset that this one was merged into: its series point there, it is in no list. Never a chain.
    add column merged_into bigint references asset check (merged_into <> id),
    add column merged_at timestamptz;

create index asset_merged on asset (merged_into) where merged_into is not null;

-- What a series is of never changes: the asset it was reported of (merged_from, or else asset_id) and its unit type. By
-- that, batches find it. Whose history it is part of is asset_id, which a merge moves; so an asset may have two series of
-- one unit type, its own and those of assets that were merged into it. Whoever adds up usage of an asset must know:
-- in slots where several of them measured something, amounts add, and of a level the asset's own series counts (merged_from
-- is null), then the one with the lower merged_from; only of that one the agent with more readings, then the lower id.
alter table series
    add column merged_from bigint references asset,
    drop constraint series_asset_id_unit_type_id_key;

create unique index series_born on series (coalesce(merged_from, asset_id), unit_type_id);
create index series_asset on series (asset_id);
create index series_merged on series (merged_from) where merged_from is not null;

-- Nothing is reported of a merged asset that does not belong to the other: also where the merge is under way, which this
-- waits for.
create function series_follows_merge() returns trigger
language plpgsql as $$
declare
    target bigint;
begin
    select merged_into into target from asset where id = new.asset_id for key share;
    if target is not null then
        new.merged_from := new.asset_id;
        new.asset_id := target;
    end if;
    return new;
end $$;

create trigger series_follows_merge before insert on series
for each row execute function series_follows_merge();

-- Time for which filters bind nothing of an asset: from then on it was disabled, disregarded or suppressed, until it was
-- not any more. Without it, working out bindings again would bill that time after all.
create table asset_pause (
    id             bigint primary key generated always as identity,
    asset_id       bigint not null references asset,
    from_slot      integer not null,
    to_slot        integer not null default 2147483647 check (from_slot < to_slot),
    cause          text not null check (cause in ('disabled', 'disregarded', 'suppressed')),
    suppression_id bigint references suppression,
    check ((cause = 'suppressed') = (suppression_id is not null))
);

create index asset_pause_asset on asset_pause (asset_id);
create index asset_pause_suppression on asset_pause (suppression_id) where suppression_id is not null;

alter table binding add column created_at timestamptz not null default now();

alter table suppression
    -- Who made and who ended it, in words; the audit log has the rest.
    add column created_by text not null default '',
    add column ended_by text not null default '';

alter table quarantine add column settled_by text not null default '';

-- What lists count and what can be unbound, without a look at the rows.
create index asset_listed on asset (id) where merged_into is null and disregarded_at is null;
create index asset_active on asset (id) where enabled and disregarded_at is null;
create index asset_external on asset (external_id);
