-- Rules and filters as they decide, and the assets they can match.

-- name: rules
-- Conditions as text: what is compiled is kept by it. A rule is one alternative. Those of disabled clients too: what was
-- theirs up to their last day stays theirs, its bindings end with the terms.
select r.id, r.client_id, r.priority, '[' || r.conditions::text || ']' as filters
from assignment_rule as r
order by r.id

-- name: buckets
-- Those without terms agree on nothing yet and take nothing.
select
    b.id, b.client_id, b.source_type_id, b.unit_type_id, b.priority, u.slot_minutes,
    agreed.starts_on, agreed.ends_on,
    coalesce((select jsonb_agg(f.conditions order by f.id) from bucket_filter as f where f.bucket_id = b.id), '[]')::text
        as filters
from bucket as b
join unit_type as u on u.id = b.unit_type_id
cross join lateral (
    select array_agg(t.starts_on order by t.starts_on) as starts_on, array_agg(t.ends_on order by t.starts_on) as ends_on
    from bucket_terms as t
    where t.bucket_id = b.id
) as agreed
where b.client_id = any(%(clients)s::bigint[])
    and b.source_type_id = any(%(source_types)s::smallint[])
    and agreed.starts_on is not null
order by b.id

-- name: possible
-- Assets whose client nobody decided by hand and that begin as one of the alternatives asks; the rest is for the matcher.
select a.id, t.name, a.external_id, a.name, a.address, g.name, g.site, case when %(with_labels)s then a.labels end
from unnest(
    %(source_type)s::text[], %(external_id)s::text[], %(name)s::text[], %(address)s::text[], %(agent)s::text[],
    %(site)s::text[], %(label_key)s::text[], %(label)s::text[]
) as wanted (source_type, external_id, name, address, agent, site, label_key, label)
join asset as a on starts_with(a.external_id, wanted.external_id) and starts_with(a.name, wanted.name)
    and starts_with(a.address, wanted.address)
    and (wanted.label_key = '' or starts_with(a.labels ->> wanted.label_key, wanted.label))
join source_type as t on t.id = a.source_type_id and starts_with(t.name, wanted.source_type)
join agent as g on g.id = a.agent_id and starts_with(g.name, wanted.agent) and starts_with(g.site, wanted.site)
where (%(decided)s::boolean or not a.assigned_by_hand) and a.enabled and a.disregarded_at is null
    and a.merged_into is null
    and (%(source_type_id)s::smallint is null or a.source_type_id = %(source_type_id)s)

-- name: possible_of_client
-- The same of assets that are the client's in time that is not finalised.
select a.id, t.name, a.external_id, a.name, a.address, g.name, g.site, case when %(with_labels)s then a.labels end
from unnest(
    %(source_type)s::text[], %(external_id)s::text[], %(name)s::text[], %(address)s::text[], %(agent)s::text[],
    %(site)s::text[], %(label_key)s::text[], %(label)s::text[]
) as wanted (source_type, external_id, name, address, agent, site, label_key, label)
join asset as a on starts_with(a.external_id, wanted.external_id) and starts_with(a.name, wanted.name)
    and starts_with(a.address, wanted.address)
    and (wanted.label_key = '' or starts_with(a.labels ->> wanted.label_key, wanted.label))
join source_type as t on t.id = a.source_type_id and starts_with(t.name, wanted.source_type)
join agent as g on g.id = a.agent_id and starts_with(g.name, wanted.agent) and starts_with(g.site, wanted.site)
where a.id in (
        select x.asset_id
        from assignment as x
        join client as c on c.id = x.client_id
        where x.client_id = %(client_id)s::bigint and x.to_slot > c.finalised_slot
    )
    and a.enabled and a.disregarded_at is null and a.merged_into is null
    and (%(source_type_id)s::smallint is null or a.source_type_id = %(source_type_id)s)

-- name: assets_of_buckets
-- Assets with a binding to one of the buckets in time that is not finalised.
select distinct s.asset_id as id
from binding as b
join series as s on s.id = b.series_id
join bucket as k on k.id = b.bucket_id
join client as c on c.id = k.client_id
where b.bucket_id = any(%(buckets)s::bigint[]) and b.to_slot > c.finalised_slot
order by 1

-- name: assets_of_rule
-- Assets that the rule assigned, in time that is not finalised.
select x.asset_id as id
from assignment as x
join client as c on c.id = x.client_id
where x.rule_id = %(rule_id)s and x.to_slot > c.finalised_slot
order by 1
