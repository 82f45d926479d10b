-- How a read-only look at the database begins.

-- name: begin
set transaction isolation level repeatable read, read only

-- name: settle
-- Our statements leave out conditions by parameter, so a plan is only good for the parameters it was made for; and
-- compiling them takes longer than running them.
select now() as now,
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('jit', 'off', true),
       set_config('statement_timeout', %(milliseconds_max)s::text, true)
