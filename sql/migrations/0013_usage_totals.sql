-- serves_from: 13
-- What lists, estimates and dry runs read instead of slots: usage per series and month, and when things were last seen.

-- Of calendar months in UTC, of slots that were rolled up. Written in the roll-up's transaction. Of several agents that
-- report one series, amounts and levels are those of the roll-up's own rule for contested slots; see the roll-up.
create table series_usage (
    series_id integer not null references series,
    -- First day of the month.
    month     date not null,
    total     numeric not null,
    high      bigint not null,
    last      bigint not null,
    slots     integer not null,
    readings  bigint not null,
    primary key (series_id, month)
);
