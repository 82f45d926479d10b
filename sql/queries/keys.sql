-- API keys: who is calling, who may, and the first of them.

-- name: by_digest
select id, name, role, client_id, enabled from api_key where sha256 = %(sha256)s

-- name: touch
-- At most one write a minute for each key, however many aggregators see it.
update api_key set last_used_at = clock_timestamp()
where id = %(id)s and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')

-- name: lock
-- Two bootstraps at once must not both find that there is no key, nor two callers both disable the last but one.
lock table api_key in share row exclusive mode

-- name: enabled_admin
select name from api_key where role = 'admin' and enabled order by id limit 1

-- name: enabled_admins
select count(*) from api_key where role = 'admin' and enabled

-- name: how_many
select count(*) from api_key

-- name: client_exists
select exists (select from client where id = %(id)s)

-- name: held
select id, name, role, client_id, enabled from api_key where id = %(id)s

-- name: insert
insert into api_key (name, prefix, sha256, role, client_id)
values (%(name)s, %(prefix)s, %(sha256)s, %(role)s, %(client_id)s)
on conflict do nothing
returning id

-- name: set_enabled
update api_key set enabled = %(enabled)s where id = %(id)s

-- name: keys
-- Enabled ones first, by name; one alone where its id is given.
select k.id, k.name, k.prefix, k.role, k.client_id, c.name as client_name, k.enabled, k.created_at, k.last_used_at
from api_key k
left join client c on c.id = k.client_id
where %(id)s::bigint is null or k.id = %(id)s
order by k.enabled desc, lower(k.name), k.id

-- name: client_name
select name from client where id = %(id)s
