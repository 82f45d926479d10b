-- name: client_for_change
-- Kept from being disabled or removed until this transaction ends.
select id, name, enabled from client where id = %(client_id)s for share

-- name: source_types
select id, name from source_type order by id

-- name: unit_types
select id, name from unit_type order by id

-- name: insert_bucket
-- No row when the client has one of that name.
insert into bucket (client_id, name, source_type_id, unit_type_id, priority)
values (%(client_id)s, %(name)s, %(source_type_id)s, %(unit_type_id)s, %(priority)s)
on conflict (client_id, name) do nothing
returning id

-- name: insert_filters
insert into bucket_filter (bucket_id, conditions)
select %(bucket_id)s, conditions::jsonb
from unnest(%(filters)s::text[]) with ordinality as given (conditions, place)
order by place

-- name: insert_terms
insert into bucket_terms (bucket_id, starts_on, commit, base_price, overage_price, aggregation)
values (%(bucket_id)s, %(starts_on)s, %(commit)s, %(base_price)s, %(overage_price)s, %(aggregation)s)

-- name: insert_rule
insert into assignment_rule (client_id, priority, conditions)
values (%(client_id)s, %(priority)s, %(conditions)s::jsonb)
returning id
