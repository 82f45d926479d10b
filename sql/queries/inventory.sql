-- name: client_for_change
-- Kept from being disabled or removed until this transaction ends.
select id, name, enabled from client where id = %(client_id)s for share

-- name: source_types
select id, name from source_type order by id

-- name: unit_types
select id, name from unit_type order by id

-- name: insert_bucket
-- No row when the client has one of that name.
insert into bucket (client_id, name, source_type_id, unit_type_id, priority, reviewed, template_id)
values (
    %(client_id)s, %(name)s, %(source_type_id)s, %(unit_type_id)s, %(priority)s, %(reviewed)s, %(template_id)s
)
on conflict (client_id, name) do nothing
returning id

-- name: insert_rule
insert into assignment_rule (client_id, priority, conditions)
values (%(client_id)s, %(priority)s, %(conditions)s::jsonb)
returning id

-- name: hold_rule
select id, client_id, priority, '[' || conditions::text || ']' as filters
from assignment_rule
where id = %(rule_id)s
for update

-- name: update_rule
update assignment_rule set priority = %(priority)s, conditions = %(conditions)s::jsonb where id = %(rule_id)s

-- name: delete_rule
delete from assignment_rule where id = %(rule_id)s
