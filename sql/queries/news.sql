-- name: announce
select pg_notify(%(channel)s, %(noun)s)

-- name: listen
listen ullage_change

-- name: still_there
select 1
