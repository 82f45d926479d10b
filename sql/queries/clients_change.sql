-- Clients, as people change them.

-- name: insert
-- No row when the name is taken.
insert into client (
    name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor, contact, close_after_days
)
values (
    %(name)s, %(currency)s, %(currency_digits)s, %(time_zone)s, %(cycle_unit)s, %(cycle_count)s, %(cycle_anchor)s,
    %(contact)s, %(close_after_days)s
)
on conflict (name) do nothing
returning id

-- name: hold_billing
-- Waits for the run that is at work on the client, and keeps others away: see billing's `try_client`.
select pg_advisory_xact_lock(hashtextextended('ullage.billing.client', %(client_id)s))

-- name: hold
-- Kept from being changed or billed for good until this transaction ends.
select id, name, contact, close_after_days, enabled, disabled_on, finalised_slot, erased_at is not null as erased,
       clock_timestamp() as now
from client
where id = %(client_id)s
for no key update

-- name: exists
select exists (select from client where id = %(client_id)s)

-- name: named
-- Whether another client has the name.
select exists (select from client where name = %(name)s and id <> %(client_id)s)

-- name: describe
update client
set name = %(name)s, contact = %(contact)s, close_after_days = %(close_after_days)s
where id = %(client_id)s

-- name: remove_cycles
delete from client_cycle where client_id = %(client_id)s and ended_on <> all (%(kept)s::date[])

-- name: add_cycles
insert into client_cycle (
    client_id, ended_on, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor
)
select %(client_id)s, given.*
from unnest(
    %(ended_on)s::date[], %(currencies)s::text[], %(digits)s::smallint[], %(time_zones)s::text[], %(units)s::text[],
    %(counts)s::smallint[], %(anchors)s::date[]
) as given
on conflict (client_id, ended_on) do nothing

-- name: set_cycle
update client
set currency = %(currency)s, currency_digits = %(currency_digits)s, time_zone = %(time_zone)s,
    cycle_unit = %(cycle_unit)s, cycle_count = %(cycle_count)s, cycle_anchor = %(cycle_anchor)s
where id = %(client_id)s

-- name: forget_readings
-- Of periods that there are no more: they are rated again as they are cut now.
delete from billing_reading as r
using bucket as b
where b.id = r.bucket_id and b.client_id = %(client_id)s and r.finalised_at is null
    and r.period_start >= %(since)s::timestamptz

-- name: forget_projections
delete from projection as p
using bucket as b
where b.id = p.bucket_id and b.client_id = %(client_id)s and p.period_end > %(since)s::timestamptz

-- name: terms
-- Of all its enabled buckets, by their days.
select t.id, t.bucket_id, b.name as bucket, t.starts_on, t.ends_on
from bucket as b
join bucket_terms as t on t.bucket_id = b.id
where b.client_id = %(client_id)s and (b.enabled or not %(enabled_only)s::boolean)
order by b.name, b.id, t.starts_on

-- name: end_terms
update bucket_terms set ends_on = %(ends_on)s where id = any(%(ids)s::bigint[])

-- name: reopen_terms
update bucket_terms set ends_on = null where id = any(%(ids)s::bigint[])

-- name: repeat_terms
-- The same agreement again, from a day on and without an end.
insert into bucket_terms (
    bucket_id, starts_on, commit, base_price, overage_price, aggregation, package, minimum, maximum, tiers, percentile,
    gap_hold, prorate
)
select bucket_id, %(starts_on)s, commit, base_price, overage_price, aggregation, package, minimum, maximum, tiers,
       percentile, gap_hold, prorate
from bucket_terms
where id = any(%(ids)s::bigint[])

-- name: set_enabled
update client set enabled = %(enabled)s, disabled_on = %(disabled_on)s where id = %(client_id)s

-- name: erase
-- The audit log forgets them by a trigger.
update client set name = %(name)s, contact = '', erased_at = clock_timestamp() where id = %(client_id)s
