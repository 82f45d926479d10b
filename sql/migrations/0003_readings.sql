-- serves_from: 1
-- Readings as they arrive, what has been applied of each agent, and the slots they are rolled up into.

create table tick (
    ticked_at timestamptz not null,
    -- Amounts are of the span (since, ticked_at].
    since     timestamptz not null,
    agent_id  bigint not null,
    stored_at timestamptz not null,
    -- Source types whose collector answered, also where it found nothing; and those whose collector failed.
    reported  smallint[] not null,
    failed    smallint[] not null,
    series    integer[] not null,
    value     bigint[] not null,
    check (since <= ticked_at)
);

alter table tick alter column series set storage external, alter column value set storage external;
create index tick_agent on tick (agent_id, ticked_at);
-- Ticks that catch up an outage reach into slots far before their own: few, and found by this.
create index tick_long on tick (agent_id, ticked_at) where ticked_at - since > interval '1 hour';
select make_hypertable('tick', 'ticked_at', '7 days');

-- Never deleted: a number at or below it is a duplicate for ever.
create table cursor (
    agent_id bigint not null references agent,
    epoch    bytea not null check (length(epoch) = 16),
    last_seq bigint not null,
    primary key (agent_id, epoch)
);

create table batch (
    agent_id    bigint not null references agent,
    epoch       bytea not null,
    seq         bigint not null,
    -- Last number this row stands for: seq, but for a tombstone of several.
    through     bigint not null,
    sha256      bytea not null,
    received_at timestamptz not null,
    stored_at   timestamptz not null,
    read        integer not null,
    stored      integer not null,
    quarantined integer not null,
    suppressed  integer not null default 0,
    primary key (agent_id, epoch, seq)
);

create index batch_stored on batch (stored_at);
create index batch_agent on batch (agent_id, stored_at desc);

-- Batches that failed alone with the reason; nothing of them is in `tick`.
create table rejected_batch (
    agent_id    bigint not null references agent,
    epoch       bytea not null,
    seq         bigint not null,
    sha256      bytea not null,
    payload     bytea not null,
    reason      text not null,
    rejected_at timestamptz not null,
    primary key (agent_id, epoch, seq, sha256)
);

-- Readings that were not taken, with everything needed to take them later.
create table quarantine (
    id          bigint primary key generated always as identity,
    agent_id    bigint not null references agent,
    epoch       bytea not null,
    seq         bigint not null,
    source_type text not null,
    external_id text not null,
    unit_type   text not null,
    value       bigint not null,
    since       timestamptz not null,
    ticked_at   timestamptz not null,
    reason      text not null,
    stored_at   timestamptz not null
);

create index quarantine_agent on quarantine (agent_id, reason);

-- Slots to roll up (again). No unique index on purpose: ingest only appends, the roll-up takes and folds.
create table touched (
    agent_id bigint not null,
    -- 60 or 5: which slot table.
    width    smallint not null,
    -- 5-minute units since 1970 at the slot's start.
    slot     integer not null
);

create index touched_agent on touched (agent_id);

-- One row per agent and slot; `series` and the columns beside it are parallel, ordered by series.
-- A slot is (start, start + width].
create table slot_60 (
    slot       integer not null,
    agent_id   bigint not null,
    series     integer[] not null,
    n          integer[] not null,
    total      bigint[] not null,
    low        bigint[] not null,
    high       bigint[] not null,
    last       bigint[] not null,
    -- Source types whose collector answered in it.
    reported   smallint[] not null,
    -- Newest stored_at of the ticks in it: a run whose cutoff is older computes the slot from the ticks.
    stored_max timestamptz not null,
    primary key (agent_id, slot)
);

create table slot_5 (like slot_60 including all);
create index slot_60_slot on slot_60 (slot);
create index slot_5_slot on slot_5 (slot);
select make_hypertable('slot_60', 'slot', '8640');
select make_hypertable('slot_5', 'slot', '2016');

-- Which agents reported a series, and in which slots at the outermost: [from_slot, to_slot).
create table series_agent (
    series_id integer not null references series,
    agent_id  bigint not null references agent,
    from_slot integer not null,
    to_slot   integer not null,
    primary key (series_id, agent_id)
);

create index series_agent_agent on series_agent (agent_id);
