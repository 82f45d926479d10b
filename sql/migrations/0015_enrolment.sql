-- serves_from: 11
-- How agents become known: tokens, keys, certificates and their generations.

create table enrolment_token (
    id         bigint primary key generated always as identity,
    sha256     bytea not null unique,
    -- For one host name only; empty: for any.
    host_name  text not null default '',
    site       text not null,
    -- For an agent that exists (a new image, a lost key); null: makes a new one.
    agent_id   bigint references agent,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default '',
    expires_at timestamptz not null,
    used_at    timestamptz,
    -- SHA-256 of the public key it was used with: the same key may ask again when the reply was lost.
    used_key   bytea,
    used_agent bigint references agent,
    revoked_at timestamptz
);

alter table agent
    -- SHA-256 of the enrolled public key (SubjectPublicKeyInfo); null for one whose certificate was issued by hand.
    add column key_sha256 bytea,
    add column public_key bytea,
    -- Moved by every issue and renewal; a certificate names its own.
    add column generation bigint not null default 0,
    -- Certificates of an older generation are refused: somebody enrolled the agent anew, on another host or with another key.
    add column generation_min bigint not null default 0,
    add column certificate_until timestamptz,
    add column retired_at timestamptz,
    -- Why it is held or revoked, in words.
    add column state_reason text not null default '',
    add column state_since timestamptz not null default clock_timestamp();

create table certificate (
    serial     text primary key,
    agent_id   bigint not null references agent,
    generation bigint not null,
    issued_at  timestamptz not null default clock_timestamp(),
    not_after  timestamptz not null,
    -- enrol, renew, recover or by-hand.
    way        text not null check (way in ('enrol', 'renew', 'recover', 'by-hand')),
    -- SHA-256 of the authority's certificate, in hex: what keeps an old authority from going.
    authority  text not null,
    unique (agent_id, generation)
);

-- From which boots an agent was seen, and with which certificate at most: a boot never comes back after the next one has
-- begun, and an older certificate never after a newer one was used elsewhere. Where one does, two hosts have one identity.
create table agent_boot (
    agent_id   bigint not null references agent,
    boot_id    text not null,
    generation bigint not null,
    first_at   timestamptz not null,
    last_at    timestamptz not null,
    primary key (agent_id, boot_id)
);

-- What an agent whose certificate has expired is to sign; each can be used once.
create table recovery_nonce (
    sha256     bytea primary key,
    agent_id   bigint not null references agent,
    expires_at timestamptz not null
);

create index recovery_nonce_expiry on recovery_nonce (expires_at);
create index agent_by_sort_name on agent (lower(name) collate "C", id);
create index certificate_ends on certificate (not_after);
