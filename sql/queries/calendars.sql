-- What clients' periods are cut and billed by, now, before and later.

-- name: eras
-- Oldest first within each client; `until` is null for the last, which is the client's own.
select id as client_id, null::date as until, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor
from client
where id = any(%(clients)s::bigint[])
union all
select client_id, ended_on, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor
from client_cycle
where client_id = any(%(clients)s::bigint[])
order by client_id, until nulls last
