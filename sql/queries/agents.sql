-- Agents as the authority knows them.

-- name: register
-- A second certificate for the same name is for the same agent.
insert into agent (uuid, name, site) values (%(uuid)s, %(name)s, %(site)s) on conflict (name) do nothing

-- name: by_name
select id, uuid, name, site, state from agent where name = %(name)s
