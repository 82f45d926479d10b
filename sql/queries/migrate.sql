-- name: lock
select pg_advisory_xact_lock(hashtextextended('ullage.migrate', 0))

-- name: create_ledger
create table if not exists schema_change (
    number      integer primary key,
    name        text not null,
    serves_from integer not null,
    sha256      text not null,
    applied_at  timestamptz not null default now()
)

-- name: has_ledger
select to_regclass('schema_change')::text

-- name: applied
select number, name, serves_from, sha256 from schema_change order by number

-- name: record
insert into schema_change (number, name, serves_from, sha256)
values (%(number)s, %(name)s, %(serves_from)s, %(sha256)s)
