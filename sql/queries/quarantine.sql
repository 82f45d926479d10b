-- Readings that were not taken: what waits for a decision, and the decision.

-- name: groups
-- By agent and reason, the most numerous first, each with its newest reading. `counted_only`: above the limit of a day, in
-- the days since `counted_since`.
with waiting as (
    select agent_id, reason, count(*) as readings, min(ticked_at) as oldest, max(ticked_at) as newest, max(id) as example_id
    from quarantine
    where settled_at is null
    group by agent_id, reason
), counted as (
    select agent_id, reason, sum(counted_only)::bigint as counted_only
    from quarantine_day
    where counted_only > 0 and day >= %(counted_since)s::date
    group by agent_id, reason
)
select k.agent_id, a.name as agent_name, k.reason, coalesce(w.readings, 0) as readings, w.oldest, w.newest, q.source_type,
       q.external_id, q.unit_type, q.value, q.ticked_at, coalesce(c.counted_only, 0) as counted_only
from (select agent_id, reason from waiting union select agent_id, reason from counted) k
left join waiting w using (agent_id, reason)
left join counted c using (agent_id, reason)
join agent a on a.id = k.agent_id
left join quarantine q on q.id = w.example_id
order by coalesce(w.readings, 0) desc, k.agent_id, k.reason

-- name: discard
-- By ids, or all of an agent and reason.
update quarantine
set settled_at = clock_timestamp(), settlement = 'discarded',
    settled_by = coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user)
where settled_at is null
    and (id = any(%(ids)s::bigint[]) or (agent_id = %(agent_id)s and reason = %(reason)s))

-- name: waiting
-- The next of those wanted, of one agent at a time.
with wanted as (
    select id, agent_id from quarantine
    where settled_at is null and id > %(after)s
        and (id = any(%(ids)s::bigint[]) or (agent_id = %(agent_id)s and reason = %(reason)s))
    order by id
    limit %(readings_max)s
)
select q.id, q.agent_id, q.epoch, q.seq, q.source_type, q.external_id, q.unit_type, q.value, q.since, q.ticked_at
from quarantine q
where q.id in (select id from wanted)
order by q.id

-- name: agents
select id, uuid, name, site, state from agent where id = any(%(ids)s::bigint[])

-- name: known_assets
-- What is known of those that exist: releasing a reading must not describe its asset anew.
select t.name as source_type, a.external_id, a.name, a.address, a.labels
from unnest(%(source_types)s::text[], %(external_ids)s::text[]) k (source_type, external_id)
join source_type t on t.name = k.source_type
join asset a on a.source_type_id = t.id and a.external_id = k.external_id
    and a.scope = case t.scope when 'agent' then %(agent_scope)s else %(site_scope)s end

-- name: hold
-- Of these the ones that nobody has settled meanwhile.
select id from quarantine where id = any(%(ids)s::bigint[]) and settled_at is null order by id for update

-- name: release
update quarantine
set settled_at = %(at)s, settlement = 'released',
    settled_by = coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user)
where id = any(%(ids)s::bigint[])

-- name: page
-- Single readings that wait, of an agent and for a reason where they are named; in order of their ids alone.
with matching as not materialized (
    select q.id, ''::text as txt, 0::numeric as num, 'epoch'::timestamptz as at
    from quarantine q
    where q.settled_at is null
      and (%(agent_id)s::bigint is null or q.agent_id = %(agent_id)s)
      and (%(reason)s::text is null or q.reason = %(reason)s)
), page as (
    select * from matching
    where %(after_id)s::bigint is null
        or case when %(descending)s::boolean then id < %(after_id)s else id > %(after_id)s end
    order by case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from matching) as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: rows
select q.id, q.agent_id, a.name as agent_name, q.reason, q.source_type, q.external_id, q.unit_type, q.value, q.since,
       q.ticked_at, q.stored_at
from quarantine q
join agent a on a.id = q.agent_id
where q.id = any(%(ids)s::bigint[])
