"""Tokens, certificates and their generations, and the boots from which agents were seen."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import sql
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("enrolment")

TOKENS_LISTED_MAX = 1_000
# Of an agent; older ones say nothing that the newer ones do not.
BOOTS_KEPT_MAX = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A token as people see it; ``state`` is open, used, expired or revoked."""

    id: int
    site: str
    host_name: str
    agent_id: int | None
    agent_name: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    created_by: str
    used_by: str
    state: str


@dataclass(frozen=True, slots=True)
class TakenToken:
    """A token that may be used by whoever has taken it."""

    id: int
    site: str
    host_name: str
    agent_id: int | None
    used_agent: int | None


@dataclass(frozen=True, slots=True)
class CertifiedAgent:
    """An agent, held until the transaction ends. ``public_key``: SubjectPublicKeyInfo, None for one that never showed it."""

    id: int
    uuid: UUID
    name: str
    site: str
    state: str
    state_reason: str
    generation: int
    generation_min: int
    public_key: bytes | None
    key_sha256: bytes | None
    certificate_until: datetime | None


def digest(secret: bytes) -> bytes:
    """As tokens and nonces are stored."""
    return sha256(secret).digest()


async def insert_token(
    conn: Connection, *, token_sha256: bytes, host_name: str, site: str, agent_id: int | None, seconds: int
) -> Token:
    """A new token by whoever is acting."""
    params = {
        "sha256": token_sha256,
        "host_name": host_name,
        "site": site,
        "agent_id": agent_id,
        "seconds": seconds,
    }
    made = await token(conn, await fetch_value(conn, _Q["insert_token"], params))
    assert made is not None  # noqa: S101 - inserted right above
    return made


async def token(conn: Connection, token_id: int) -> Token | None:
    """The token of this id, in whatever state."""
    params = {"id": token_id, "everything": True, "limit": 1}
    return await fetch_one(conn, Token, _Q["tokens"], params)


async def tokens(conn: Connection, *, everything: bool) -> list[Token]:
    """The open ones, or all; newest first, at most ``TOKENS_LISTED_MAX``."""
    params = {"id": None, "everything": everything, "limit": TOKENS_LISTED_MAX}
    return await fetch_all(conn, Token, _Q["tokens"], params)


async def revoke_token(conn: Connection, token_id: int) -> bool:
    """False when it is used or revoked already, or not there."""
    return await execute(conn, _Q["revoke_token"], {"id": token_id}) == 1


async def take_token(conn: Connection, *, token_sha256: bytes, key: bytes, seconds: int) -> TakenToken | None:
    """The token, for the one who takes it first; for ``seconds`` longer for the same key again. None for everyone else."""
    params = {"sha256": token_sha256, "key": key}
    taken = await fetch_one(conn, TakenToken, _Q["take_token"], params)
    if taken is None:
        taken = await fetch_one(conn, TakenToken, _Q["token_used_with"], {**params, "seconds": seconds})
    return taken


async def token_used_by(conn: Connection, token_id: int, agent_id: int) -> None:
    """Notes whom a token has let in."""
    await execute(conn, _Q["token_used_by"], {"id": token_id, "agent_id": agent_id})


async def token_state(conn: Connection, token_sha256: bytes) -> str | None:
    """Why a token cannot be used: expired, revoked or used; None for one that never was."""
    state: str | None = await fetch_value(conn, _Q["token_state"], {"sha256": token_sha256})
    return state


async def certified_agent(
    conn: Connection, *, agent_id: int | None = None, uuid: UUID | None = None
) -> CertifiedAgent | None:
    """By either, held until the transaction ends."""
    return await fetch_one(conn, CertifiedAgent, _Q["agent_to_certify"], {"id": agent_id, "uuid": uuid})


async def insert_agent(conn: Connection, *, uuid: UUID, name: str, site: str) -> int | None:
    """The new agent's id; None when the name is taken."""
    agent_id: int | None = await fetch_value(
        conn, _Q["insert_agent"], {"uuid": uuid, "name": name, "site": site}
    )
    return agent_id


async def next_generation(
    conn: Connection,
    agent_id: int,
    *,
    public_key: bytes,
    key: bytes,
    until: datetime,
    only_from_here: bool = False,
) -> int:
    """The number of the certificate that is about to be issued; older ones are refused where it is ``only_from_here``."""
    params = {
        "id": agent_id,
        "public_key": public_key,
        "key": key,
        "until": until,
        "only_from_here": only_from_here,
    }
    generation: int = await fetch_value(conn, _Q["next_generation"], params)
    return generation


async def insert_certificate(
    conn: Connection,
    *,
    serial: str,
    agent_id: int,
    generation: int,
    not_after: datetime,
    way: str,
    authority: str,
) -> None:
    """Notes what was issued. ``way``: enrol, renew, recover or by-hand."""
    params = {
        "serial": serial,
        "agent_id": agent_id,
        "generation": generation,
        "not_after": not_after,
        "way": way,
        "authority": authority,
    }
    await execute(conn, _Q["insert_certificate"], params)


async def sight(
    conn: Connection, *, agent_id: int, boot_id: str, generation: int, grace_seconds: float
) -> bool:
    """Records from which boot and with which certificate an agent was seen; True when that shows two hosts.

    ``grace_seconds``: for so long what the former boot had sent may still arrive.
    """
    params = {"agent_id": agent_id, "boot_id": boot_id, "generation": generation, "grace": grace_seconds}
    two: bool = await fetch_value(conn, _Q["sight"], params)
    await execute(conn, _Q["forget_old_boots"], {"agent_id": agent_id, "kept": BOOTS_KEPT_MAX})
    return two


async def newer_was_used(conn: Connection, *, agent_id: int, generation: int) -> bool:
    """Whether a newer certificate than this one was seen in use."""
    newer: bool = await fetch_value(
        conn, _Q["newer_was_used"], {"agent_id": agent_id, "generation": generation}
    )
    return newer


async def hold_clones(conn: Connection, agent_id: int, reason: str) -> bool:
    """False when the agent was not active."""
    return await execute(conn, _Q["hold_clones"], {"agent_id": agent_id, "reason": reason}) == 1


async def keep_nonce(conn: Connection, *, nonce_sha256: bytes, uuid: UUID, seconds: int) -> bool:
    """Keeps it for the agent; False when there is no such agent that could recover."""
    await execute(conn, _Q["forget_nonces"])
    agent_id = await fetch_value(conn, _Q["recoverable"], {"uuid": uuid})
    if agent_id is None:
        return False
    params = {"sha256": nonce_sha256, "agent_id": agent_id, "seconds": seconds}
    await execute(conn, _Q["insert_nonce"], params)
    return True


async def take_nonce(conn: Connection, *, nonce_sha256: bytes, agent_id: int) -> bool:
    """True for one that was given to this agent, is not too old and was not used."""
    fresh: bool | None = await fetch_value(
        conn, _Q["take_nonce"], {"sha256": nonce_sha256, "agent_id": agent_id}
    )
    return bool(fresh)


async def not_told(conn: Connection, since: datetime) -> list[str]:
    """Active agents with a certificate that holds, and none from ``since`` on."""
    found = await conn.execute(_Q["not_told"], {"since": since})
    return [name for (name,) in await found.fetchall()]


async def still_of(conn: Connection, authority: str) -> list[str]:
    """Active agents whose newest certificate is of this authority and holds."""
    found = await conn.execute(_Q["still_of"], {"authority": authority})
    return [name for (name,) in await found.fetchall()]
