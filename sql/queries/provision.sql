-- Templates, and what provisioning makes by them.

-- name: templates
-- Enabled ones, or those named; conditions as text: what is compiled is kept by it.
select t.id, t.source_type_id, t.unit_type_id, s.name as source_type, u.name as unit_type, t.conditions, t.aggregation,
       t.percentile, t.commit, t.enabled,
       coalesce(
           (
               select jsonb_agg(
                   jsonb_build_array(p.currency, p.base_price::text, p.overage_price::text) order by p.currency
               )
               from template_price as p
               where p.template_id = t.id
           ),
           '[]'
       ) as prices
from template as t
join source_type as s on s.id = t.source_type_id
join unit_type as u on u.id = t.unit_type_id
where not %(enabled_only)s::boolean or t.enabled
order by t.id

-- name: clients
-- Those with an asset of a kind that a template is for and they never had a bucket of, and those with an open problem.
select x.client_id
from assignment as x
join client as c on c.id = x.client_id and c.enabled
join asset as a on a.id = x.asset_id and a.enabled and a.disregarded_at is null and a.merged_into is null
join series as s on s.asset_id = a.id
where x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
    and (%(client_id)s::bigint is null or x.client_id = %(client_id)s)
    and exists (
        select from template as t
        where t.enabled and t.source_type_id = a.source_type_id and t.unit_type_id = s.unit_type_id
    )
    and not exists (
        select from bucket as b
        where b.client_id = x.client_id and b.source_type_id = a.source_type_id and b.unit_type_id = s.unit_type_id
    )
union
select p.client_id from provisioning_problem as p where %(client_id)s::bigint is null or p.client_id = %(client_id)s
order by 1

-- name: had
-- Kinds and names of all buckets of the client, whatever became of them.
select source_type_id, unit_type_id, name from bucket where client_id = %(client_id)s

-- name: metered
-- Series of the client's assets of kinds that a template is for and it never had a bucket of.
select a.id as asset_id, a.source_type_id, s.unit_type_id, k.name as source_type, a.external_id, a.name, a.address, a.labels,
       g.name as agent, g.site,
       case when seen.from_slot is not null then greatest(x.from_slot, seen.from_slot) end as from_slot
from assignment as x
join asset as a on a.id = x.asset_id and a.enabled and a.disregarded_at is null and a.merged_into is null
join series as s on s.asset_id = a.id
join source_type as k on k.id = a.source_type_id
join agent as g on g.id = a.agent_id
left join lateral (
    -- Null while nothing is rolled up.
    select min(m.from_slot) as from_slot from series_agent as m where m.series_id = s.id
) as seen on true
where x.client_id = %(client_id)s and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
    and exists (
        select from template as t
        where t.enabled and t.source_type_id = a.source_type_id and t.unit_type_id = s.unit_type_id
    )
    and not exists (
        select from bucket as b
        where b.client_id = x.client_id and b.source_type_id = a.source_type_id and b.unit_type_id = s.unit_type_id
    )
order by a.id, s.id

-- name: insert_bucket
-- For a person to review; without a filter where the template has none.
with made as (
    insert into bucket (client_id, name, source_type_id, unit_type_id, reviewed, template_id)
    select %(client_id)s, %(name)s, source_type_id, unit_type_id, false, id from template where id = %(template_id)s
    returning id
), filtered as (
    insert into bucket_filter (bucket_id, conditions)
    select made.id, t.conditions
    from made, template as t
    where t.id = %(template_id)s and t.conditions <> '[]'
), agreed as (
    insert into bucket_terms (
        bucket_id, starts_on, ends_on, commit, base_price, overage_price, aggregation, percentile
    )
    select made.id, %(starts_on)s::date, %(ends_on)s::date, t.commit, %(base_price)s::numeric, %(overage_price)s::numeric,
           t.aggregation, t.percentile
    from made, template as t
    where t.id = %(template_id)s
)
select id from made

-- name: forget_problems
delete from provisioning_problem where client_id = %(client_id)s

-- name: note_problems
insert into provisioning_problem (client_id, source_type_id, unit_type_id, reason, detail, assets)
select %(client_id)s, given.*
from unnest(
    %(source_types)s::smallint[], %(unit_types)s::smallint[], %(reasons)s::text[], %(details)s::text[],
    %(assets)s::integer[]
) as given

-- name: problems
select p.client_id, c.name as client_name, s.name as source_type, u.name as unit_type, p.reason, p.detail, p.assets,
       p.found_at
from provisioning_problem as p
join client as c on c.id = p.client_id
join source_type as s on s.id = p.source_type_id
join unit_type as u on u.id = p.unit_type_id
where %(client_id)s::bigint is null or p.client_id = %(client_id)s
order by c.name, p.client_id, s.name, u.name

-- name: insert_template
insert into template (source_type_id, unit_type_id, conditions, aggregation, percentile, commit, enabled)
values (
    %(source_type_id)s, %(unit_type_id)s, %(conditions)s::jsonb, %(aggregation)s, %(percentile)s, %(commit)s, %(enabled)s
)
returning id

-- name: update_template
update template
set source_type_id = %(source_type_id)s, unit_type_id = %(unit_type_id)s, conditions = %(conditions)s::jsonb,
    aggregation = %(aggregation)s, percentile = %(percentile)s, commit = %(commit)s, enabled = %(enabled)s
where id = %(template_id)s

-- name: delete_template
delete from template where id = %(template_id)s

-- name: remove_prices
delete from template_price where template_id = %(template_id)s

-- name: add_prices
insert into template_price (template_id, currency, base_price, overage_price)
select %(template_id)s::bigint, given.*
from unnest(%(currencies)s::text[], %(base_prices)s::numeric[], %(overage_prices)s::numeric[]) as given
order by 1, 2

-- name: hold_templates
-- One change of templates at a time, and none while buckets are being made by them.
select pg_advisory_xact_lock(hashtextextended('ullage.templates', 0))

-- name: share_templates
select pg_advisory_xact_lock_shared(hashtextextended('ullage.templates', 0))

-- name: templates_total
select count(*) from template

-- name: now
select clock_timestamp()
