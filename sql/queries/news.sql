-- name: announce
select pg_notify(%(channel)s, %(noun)s)
