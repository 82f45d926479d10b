-- name: announce
select pg_notify(%(channel)s, %(payload)s)

-- name: listen
listen ullage_change

-- name: still_there
select 1
