"""Makes a token by which one host can enrol."""

import secrets
from dataclasses import dataclass, field

from aggregator.actions.names import valid_name
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.issuing import Issuer
from aggregator.store import enrolment
from aggregator.store.database import Database
from aggregator.store.enrolment import Token
from aggregator.store.news import announce

TOKEN_BYTES = 32
TOKEN_MARK = "ullage-enrol_"  # noqa: S105 - the mark by which scanners know one, no secret
TOKEN_SECONDS = 3_600
TOKEN_SECONDS_MAX = 86_400


@dataclass(frozen=True, slots=True)
class NewToken:
    """``secret`` is shown once; ``fingerprint``: by what the host knows us."""

    secret: str = field(repr=False)
    token: Token
    fingerprint: str


async def create_enrolment_token(
    db: Database, issuer: Issuer, *, site: str, host_name: str, agent_id: int | None, seconds: int
) -> NewToken:
    """For a new agent of a site, or for one that exists (a new image, a lost key), which keeps all it has.

    Raises ``NotFound`` for an agent that does not exist, and ``Conflict`` for one that may not come back.
    """
    if seconds > TOKEN_SECONDS_MAX:
        raise Invalid("seconds", f"at most {TOKEN_SECONDS_MAX} (a day); 0 is an hour")
    if host_name:
        valid_name("host_name", host_name)
    fingerprint = issuer.fingerprint()
    secret = TOKEN_MARK + secrets.token_urlsafe(TOKEN_BYTES)
    async with db.transaction() as conn:
        if agent_id is None:
            valid_name("site", site)
        else:
            agent = await enrolment.certified_agent(conn, agent_id=agent_id)
            if agent is None:
                raise NotFound("agent", agent_id)
            if site and site != agent.site:
                raise Invalid("site", f"the agent {agent.name} belongs to {agent.site}; leave it empty")
            if agent.state == "revoked":
                raise Conflict(
                    f"the agent {agent.name} is revoked, which is final; enrol the host as a new one"
                )
            if agent.state == "retired":
                raise Conflict(f"the agent {agent.name} is retired; make it active first")
            site = agent.site
        made = await enrolment.insert_token(
            conn,
            token_sha256=enrolment.digest(secret.encode()),
            host_name=host_name,
            site=site,
            agent_id=agent_id,
            seconds=seconds or TOKEN_SECONDS,
        )
        await announce(conn, "agent")
    return NewToken(secret, made, fingerprint)


async def revoke_enrolment_token(db: Database, token_id: int) -> Token:
    """Nobody can enrol with it any more. Raises ``Conflict`` for one that is used already."""
    async with db.transaction() as conn:
        done = await enrolment.revoke_token(conn, token_id)
        token = await enrolment.token(conn, token_id)
        if token is None:
            raise NotFound("enrolment token", token_id)
        if not done and token.state == "used":
            raise Conflict(
                f"the token was used by {token.used_by}; revoke that agent if it should not be there"
            )
        await announce(conn, "agent")
    return token
