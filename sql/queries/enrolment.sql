-- Tokens, certificates and their generations, and what is seen of clones.

-- name: insert_token
insert into enrolment_token (sha256, host_name, site, agent_id, created_by, expires_at)
values (
    %(sha256)s, %(host_name)s, %(site)s, %(agent_id)s,
    coalesce(nullif(current_setting('ullage.actor', true), ''), 'db:' || current_user),
    clock_timestamp() + make_interval(secs => %(seconds)s::integer)
)
returning id

-- name: tokens
-- Newest first. `id`: that one alone, in whatever state; else the open ones, and with `everything` the others too.
select t.id, t.site, t.host_name, t.agent_id, coalesce(a.name, '') as agent_name, t.created_at, t.expires_at, t.used_at,
       t.created_by, coalesce(u.name, '') as used_by,
       case when t.revoked_at is not null then 'revoked' when t.used_at is not null then 'used'
            when t.expires_at <= clock_timestamp() then 'expired' else 'open' end as state
from enrolment_token t
left join agent a on a.id = t.agent_id
left join agent u on u.id = t.used_agent
where case when %(id)s::bigint is not null then t.id = %(id)s
           else %(everything)s::boolean
               or (t.revoked_at is null and t.used_at is null and t.expires_at > clock_timestamp()) end
order by t.id desc
limit %(limit)s::integer

-- name: revoke_token
update enrolment_token set revoked_at = clock_timestamp() where id = %(id)s and used_at is null and revoked_at is null

-- name: take_token
-- The one winner: whoever comes second waits for the row and finds it used.
update enrolment_token
set used_at = clock_timestamp(), used_key = %(key)s
where sha256 = %(sha256)s and used_at is null and revoked_at is null and expires_at > clock_timestamp()
returning id, site, host_name, agent_id, used_agent

-- name: token_used_with
-- The same key asks again because the reply was lost; for a while, and only while that was the agent's last enrolment.
select t.id, t.site, t.host_name, t.agent_id, t.used_agent
from enrolment_token t
join agent a on a.id = t.used_agent and a.key_sha256 = %(key)s
where t.sha256 = %(sha256)s and t.used_key = %(key)s and t.revoked_at is null
    and t.used_at > clock_timestamp() - make_interval(secs => %(seconds)s::integer)

-- name: token_used_by
update enrolment_token set used_agent = %(agent_id)s where id = %(id)s

-- name: token_state
-- Of a token that was not taken: why.
select case when revoked_at is not null then 'revoked' when used_at is not null then 'used' else 'expired' end
from enrolment_token
where sha256 = %(sha256)s

-- name: agent_to_certify
select a.id, a.uuid, a.name, a.site, a.state, a.state_reason, a.generation, a.generation_min, a.public_key, a.key_sha256,
       a.certificate_until
from agent a
where (%(uuid)s::uuid is null or a.uuid = %(uuid)s) and (%(id)s::bigint is null or a.id = %(id)s)
    and (%(id)s is not null or %(uuid)s is not null)
for update

-- name: next_generation
-- `only_from_here`: older certificates are refused from now on.
update agent
set generation = generation + 1, public_key = %(public_key)s, key_sha256 = %(key)s, certificate_until = %(until)s,
    generation_min = case when %(only_from_here)s::boolean then generation + 1 else generation_min end
where id = %(id)s
returning generation

-- name: insert_certificate
insert into certificate (serial, agent_id, generation, not_after, way, authority)
values (%(serial)s, %(agent_id)s, %(generation)s, %(not_after)s, %(way)s, %(authority)s)

-- name: insert_agent
insert into agent (uuid, name, site) values (%(uuid)s, %(name)s, %(site)s) on conflict do nothing returning id

-- name: sight
-- Records a sighting. True when it shows two hosts with one identity: this boot was here before another one began, which
-- was a while ago, or another boot has used a newer certificate than this one.
with seen as (
    insert into agent_boot (agent_id, boot_id, generation, first_at, last_at)
    values (%(agent_id)s, %(boot_id)s, %(generation)s, clock_timestamp(), clock_timestamp())
    on conflict (agent_id, boot_id) do update
    set generation = greatest(agent_boot.generation, excluded.generation), last_at = excluded.last_at
    returning first_at, last_at
)
select exists (
    select from agent_boot o
    where o.agent_id = %(agent_id)s and o.boot_id <> %(boot_id)s
      and (o.generation > %(generation)s
           or (o.first_at > s.first_at and o.first_at < s.last_at - make_interval(secs => %(grace)s::double precision)))
)
from seen s

-- name: forget_old_boots
delete from agent_boot b
where b.agent_id = %(agent_id)s and b.first_at < (
    select o.first_at from agent_boot o where o.agent_id = %(agent_id)s order by o.first_at desc offset %(kept)s::integer - 1 limit 1
)

-- name: newer_was_used
-- Whether a newer certificate than this was seen in use.
select exists (select from agent_boot b where b.agent_id = %(agent_id)s and b.generation > %(generation)s)

-- name: hold_clones
update agent set state = 'held', state_reason = %(reason)s, state_since = clock_timestamp()
where id = %(agent_id)s and state = 'active'

-- name: insert_nonce
insert into recovery_nonce (sha256, agent_id, expires_at)
values (%(sha256)s, %(agent_id)s, clock_timestamp() + make_interval(secs => %(seconds)s::integer))

-- name: forget_nonces
delete from recovery_nonce where expires_at < clock_timestamp()

-- name: take_nonce
delete from recovery_nonce where sha256 = %(sha256)s and agent_id = %(agent_id)s returning expires_at > clock_timestamp()

-- name: recoverable
select id from agent where uuid = %(uuid)s and public_key is not null and state in ('active', 'held')

-- name: not_told
-- Active agents that have had no certificate since `since`, and so do not know an authority of that time.
select a.name
from agent a
where a.state = 'active' and a.certificate_until > clock_timestamp()
    and not exists (select from certificate c where c.agent_id = a.id and c.issued_at >= %(since)s::timestamptz)
order by a.name

-- name: still_of
-- Active agents whose newest certificate is of this authority and still holds.
select a.name
from agent a
join certificate c on c.agent_id = a.id and c.generation = a.generation
where a.state = 'active' and c.authority = %(authority)s and c.not_after > clock_timestamp()
order by a.name
