-- Runs of jobs: one at a time for each job over all aggregators, and what became of them.

-- name: try_lock
-- Ends with the transaction that holds it, so with the aggregator that dies.
select pg_try_advisory_xact_lock(hashtextextended('ullage.job.' || %(job)s, 0))

-- name: stay
-- The lock's transaction waits while others do the work; a server-wide limit on idle transactions must not end it.
set local idle_in_transaction_session_timeout = 0

-- name: abandon
-- Whoever holds the lock knows that nobody else is running the job.
update run set state = 'failed', ended_at = clock_timestamp(), error = 'the aggregator ended before the run did'
where job = %(job)s and state = 'running'

-- name: start
insert into run (job, started_at, state) values (%(job)s, clock_timestamp(), 'running')
returning id, job, started_at, ended_at, state, counts, error, total, done

-- name: progress
update run set counts = %(counts)s, total = %(total)s, done = %(done)s
where id = %(id)s and state = 'running'

-- name: finish
-- Of a run that failed what it did before that stays.
update run set state = %(state)s, ended_at = clock_timestamp(), counts = coalesce(%(counts)s, counts), error = %(error)s
where id = %(id)s
returning id, job, started_at, ended_at, state, counts, error, total, done

-- name: prune
-- Figures name the run that made them: such a run stays as long as they do.
delete from run
where job = %(job)s
  and id <= (select id from run where job = %(job)s order by id desc offset %(kept)s limit 1)
  and not exists (select from billing_reading where run_id = run.id)
  and not exists (select from adjustment where run_id = run.id)
  and not exists (select from projection where run_id = run.id)

-- name: latest
-- The newest run of each job.
select distinct on (job) id, job, started_at, ended_at, state, counts, error, total, done,
    case when state = 'running' and done > 0
        then ceil(extract(epoch from clock_timestamp() - started_at) * (total - done) / done)::bigint
    end as seconds_left
from run order by job, started_at desc, id desc

-- name: one
select id, job, started_at, ended_at, state, counts, error, total, done,
    case when state = 'running' and done > 0
        then ceil(extract(epoch from clock_timestamp() - started_at) * (total - done) / done)::bigint
    end as seconds_left
from run where id = %(id)s
