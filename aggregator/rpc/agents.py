"""Agents, for people: how they are, who is let in."""

from aggregator.actions.create_enrolment_token import create_enrolment_token, revoke_enrolment_token
from aggregator.actions.set_agents_state import STATES, set_agents_state
from aggregator.errors import Invalid, NotFound
from aggregator.issuing import Issuer, needed
from aggregator.rpc import convert_agents
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.server import Context
from aggregator.store import agents, enrolment
from aggregator.store.agents import AgentFilter
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import agents_pb2


class AgentMethods:
    """Part of the service Admin. ``_issuer``: None on an aggregator that issues no certificates."""

    _db: Database
    _issuer: Issuer | None

    async def ListAgents(
        self, request: agents_pb2.ListAgentsRequest, context: Context
    ) -> agents_pb2.ListAgentsReply:
        """A page of agents, by name unless asked otherwise."""
        paging = to_paging(request.page, agents.SORTS)
        if request.state and request.state not in STATES:
            raise Invalid("state", f"must be one of {', '.join(STATES)}, or empty for all")
        wanted = AgentFilter(
            search=search_text(request.search), state=request.state or None, silent=request.silent
        )
        async with snapshot(self._db) as seen:
            found = await agents.agents(seen, wanted, paging)
        return agents_pb2.ListAgentsReply(
            agents=[convert_agents.agent(row) for row in found.rows], page=page_info(found, paging)
        )

    async def GetAgent(self, request: agents_pb2.GetAgentRequest, context: Context) -> agents_pb2.Agent:
        """Raises ``NotFound``."""
        async with snapshot(self._db) as seen:
            found = await agents.rows(seen, [request.id])
        if not found:
            raise NotFound("agent", request.id)
        return convert_agents.agent(found[0])

    async def CreateEnrolmentToken(
        self, request: agents_pb2.CreateEnrolmentTokenRequest, context: Context
    ) -> agents_pb2.CreateEnrolmentTokenReply:
        """The only time that the token is shown."""
        made = await create_enrolment_token(
            self._db,
            needed(self._issuer),
            site=request.site,
            host_name=request.host_name,
            agent_id=request.agent_id or None,
            seconds=request.seconds,
        )
        return agents_pb2.CreateEnrolmentTokenReply(
            token=made.secret,
            enrolment_token=convert_agents.token(made.token),
            ca_fingerprint=made.fingerprint,
        )

    async def ListEnrolmentTokens(
        self, request: agents_pb2.ListEnrolmentTokensRequest, context: Context
    ) -> agents_pb2.ListEnrolmentTokensReply:
        """Newest first, without their secrets."""
        async with snapshot(self._db) as seen:
            found = await enrolment.tokens(seen.conn, everything=request.all)
        return agents_pb2.ListEnrolmentTokensReply(tokens=[convert_agents.token(row) for row in found])

    async def RevokeEnrolmentToken(
        self, request: agents_pb2.RevokeEnrolmentTokenRequest, context: Context
    ) -> agents_pb2.EnrolmentToken:
        """Raises ``NotFound``, and ``Conflict`` for one that was used."""
        return convert_agents.token(await revoke_enrolment_token(self._db, request.id))

    async def SetAgentsState(
        self, request: agents_pb2.SetAgentsStateRequest, context: Context
    ) -> agents_pb2.SetAgentsStateReply:
        """All or none of them."""
        changed = await set_agents_state(
            self._db, list(request.ids), state=request.state, reason=request.reason
        )
        return agents_pb2.SetAgentsStateReply(changed=changed)
