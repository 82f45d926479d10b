-- serves_from: 9
-- What is decided about readings on their way in, and what is known of how they come: suppressions, clocks, lost batches,
-- epochs and who follows whom, heartbeats, and the quarantine's settlement. An older program would take in what a
-- suppression keeps out, so it is not served any more.

-- Applied at ingest: nothing of a matching asset is stored. Ended, never deleted.
create table suppression (
    id         bigint primary key generated always as identity,
    field      text not null,
    operator   text not null check (operator in ('equals', 'glob', 'regex', 'cidr')),
    pattern    text not null,
    reason     text not null check (reason <> ''),
    created_at timestamptz not null default now(),
    -- Null while it holds.
    ended_at   timestamptz
);

create unique index suppression_open on suppression (field, operator, pattern) where ended_at is null;

-- What a suppression dropped, by agent. A reading counts for one suppression: the oldest that matches.
create table suppression_hit (
    suppression_id bigint not null references suppression,
    agent_id       bigint not null references agent,
    -- Matching assets in the agent's newest batch that had any.
    assets         integer not null,
    readings       bigint not null,
    last_hit_at    timestamptz not null,
    primary key (suppression_id, agent_id)
);

-- One row, moved by every change of what decides whether a batch is taken. A group commit reads it in its own transaction:
-- what was admitted under an older version is admitted again.
create table rules_version (
    only_row boolean primary key default true check (only_row),
    version  bigint not null
);

insert into rules_version (version) values (1);

create function move_rules_version() returns trigger
language plpgsql as $$
begin
    update rules_version set version = version + 1;
    return null;
end $$;

create trigger suppression_moves_rules after insert or update or delete on suppression
for each statement execute function move_rules_version();

create trigger unit_type_moves_rules after insert or update or delete on unit_type
for each statement execute function move_rules_version();

create trigger agent_state_moves_rules after update of state on agent
for each row when (old.state is distinct from new.state) execute function move_rules_version();

-- What an agent said of itself about a minute ago.
create table agent_heartbeat (
    agent_id        bigint primary key references agent,
    received_at     timestamptz not null,
    version         text not null,
    boot_id         text not null,
    -- The agent's clock minus ours; 0 when it did not say.
    clock_offset_ms bigint not null,
    spool_bytes     bigint not null,
    spool_bytes_max bigint not null,
    unacknowledged  bigint not null,
    -- Oldest tick that is not acknowledged.
    oldest_at       timestamptz,
    spool_state     text not null check (spool_state in ('ok', 'slow', 'full')),
    failed          text[] not null,
    last_error      text not null,
    tombstones      bigint not null,
    counter_resets  bigint not null
);

alter table batch
    -- The agent's clock minus ours when it was sent; 0 when it did not say.
    add column clock_offset_ms bigint not null default 0,
    -- The times of its ticks were worked out from the time since boot.
    add column clock_corrected boolean not null default false,
    -- The clocks differed by more than two seconds.
    add column clock_flagged boolean not null default false,
    -- Of a tombstone: why the batches seq … through are lost, and of which time as far as known.
    add column lost_reason text,
    add column lost_from timestamptz,
    add column lost_to timestamptz,
    add column lost_detail text;

create index batch_lost on batch (agent_id, stored_at) where lost_reason is not null;

-- Other content under a number that was stored: what is stored stands.
create table conflict (
    agent_id bigint not null references agent,
    epoch    bytea not null,
    seq      bigint not null,
    sha256   bytea not null,
    payload  bytea not null,
    first_at timestamptz not null,
    last_at  timestamptz not null,
    times    bigint not null,
    primary key (agent_id, epoch, seq, sha256)
);

alter table cursor
    add column opened_at timestamptz not null default clock_timestamp(),
    add column predecessor bytea,
    -- first: of the agent's first epoch. next: named the newest epoch as its predecessor. unnamed: named none although
    -- there are older ones, so its spool was lost. unknown: named one that is not known here, so this database was set back.
    add column began text not null default 'first' check (began in ('first', 'next', 'unnamed', 'unknown')),
    -- Null before its first batch.
    add column moved_at timestamptz,
    -- Sums over all its batches; `batches` are numbers, also those a tombstone stands for.
    add column batches bigint not null default 0,
    add column read bigint not null default 0,
    add column stored bigint not null default 0,
    add column quarantined bigint not null default 0,
    add column suppressed bigint not null default 0;

update cursor c
set moved_at = b.moved_at, batches = b.batches, read = b.read, stored = b.stored, quarantined = b.quarantined,
    suppressed = b.suppressed
from (
    select agent_id, epoch, max(stored_at) as moved_at, sum(through - seq + 1) as batches, sum(read) as read,
           sum(stored) as stored, sum(quarantined) as quarantined, sum(suppressed) as suppressed
    from batch
    group by agent_id, epoch
) b
where c.agent_id = b.agent_id and c.epoch = b.epoch;

create index cursor_odd on cursor (opened_at) where began in ('unnamed', 'unknown');

-- An epoch that was not let in: it names a predecessor that others have followed already.
create table epoch_refused (
    agent_id    bigint not null references agent,
    epoch       bytea not null,
    predecessor bytea not null,
    first_at    timestamptz not null,
    last_at     timestamptz not null,
    primary key (agent_id, epoch)
);

alter table quarantine
    add column settled_at timestamptz,
    add column settlement text check (settlement in ('released', 'discarded')),
    add constraint quarantine_settled check ((settled_at is null) = (settlement is null));

create index quarantine_open on quarantine (agent_id, reason, id) where settled_at is null;

-- How many readings an agent had quarantined on a day (UTC): with a row of their own, and above the limit only counted.
create table quarantine_day (
    agent_id     bigint not null references agent,
    day          date not null,
    reason       text not null,
    kept         bigint not null,
    counted_only bigint not null,
    primary key (agent_id, day, reason)
);

insert into quarantine_day (agent_id, day, reason, kept, counted_only)
select agent_id, (stored_at at time zone 'UTC')::date, reason, count(*), 0
from quarantine
group by 1, 2, 3;

create index quarantine_day_over on quarantine_day (day) where counted_only > 0;
