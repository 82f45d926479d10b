-- serves_from: 18
-- Which assets a suppression dropped, so that each is counted once: batches repeat them, and two agents may report one asset.

create table suppressed_asset (
    suppression_id bigint not null references suppression,
    -- A digest of source type, scope and external id: nothing of such an asset is stored.
    asset          bytea not null check (octet_length(asset) = 16),
    -- Who was the first to report it; it counts there, and against that agent's limit.
    agent_id       bigint not null,
    primary key (suppression_id, asset)
);

alter table suppression_hit
    add column counted_assets bigint not null default 0,
    -- There were more. True where nobody said: what was dropped before this migration was not remembered.
    add column more_assets boolean not null default true,
    -- Of the newest batch alone; not read any more.
    alter column assets set default 0;

create index suppression_hit_agent on suppression_hit (agent_id);
