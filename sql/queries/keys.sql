-- API keys: who is calling, and the first of them.

-- name: by_digest
select id, name, role, client_id, enabled from api_key where sha256 = %(sha256)s

-- name: touch
-- At most one write a minute for each key, however many aggregators see it.
update api_key set last_used_at = clock_timestamp()
where id = %(id)s and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')

-- name: lock
-- Two bootstraps at once must not both find that there is no key.
lock table api_key in share row exclusive mode

-- name: enabled_admin
select name from api_key where role = 'admin' and enabled order by id limit 1

-- name: insert
insert into api_key (name, prefix, sha256, role) values (%(name)s, %(prefix)s, %(sha256)s, %(role)s)
on conflict do nothing
