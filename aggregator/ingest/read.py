"""From a sealed payload to what a group can store: decoded, its clock corrected, resolved, admitted under the rules."""

import secrets
from dataclasses import dataclass, replace
from logging import getLogger

from aggregator.errors import Unavailable
from aggregator.ingest.admit import Admitted, admit
from aggregator.ingest.agents import Agent
from aggregator.ingest.clocks import Clock, Sent, correct, judge_clock
from aggregator.ingest.commit import is_fault_of_data
from aggregator.ingest.decode import Later, Lost, Refused, decode
from aggregator.ingest.judge import RETRY_MS, Content, Offered
from aggregator.ingest.limits import SEQUENCE_MAX
from aggregator.ingest.resolve import Resolver
from aggregator.ingest.rules import Rules, RuleSet, World
from aggregator.ingest.usual import take_usual
from aggregator.store.database import Database
from ullage.log import fields

_log = getLogger(__name__)

FAILED_RETRY_MS = 60_000
STOPPED_RETRY_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Read:
    content: Content
    clock: Clock
    # None where the rules decided nothing.
    world: World | None = None


class Reader:
    """Reads the payloads of one aggregator's agents, and again when the rules have moved."""

    def __init__(self, db: Database) -> None:
        self._rules = Rules(db)
        self._resolver = Resolver(db)

    async def read(self, agent: Agent, batch: Offered, sent: Sent) -> Offered:
        """The batch with what is in it; creates the assets and series that are new. Never raises for what was sent."""
        return await self._under(None, agent, batch, sent)

    async def _under(self, seen: World | None, agent: Agent, batch: Offered, sent: Sent) -> Offered:
        async def again(world: World) -> Offered:
            return await self._under(world, agent, batch, sent)

        try:
            rules = await (self._rules.current() if seen is None else self._rules.of(seen))
            found = await self._read(agent, batch, sent, rules)
        except Unavailable as error:
            found = _Read(Later(str(error), RETRY_MS), judge_clock(sent))
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch gets an answer
            incident = secrets.token_hex(4)
            about = fields(agent=agent.name, epoch=batch.epoch.hex(), seq=batch.seq, incident=incident)
            _log.exception("batch could not be read", extra=about)
            if is_fault_of_data(error):
                content: Content = Refused(f"the content cannot be stored (incident {incident})")
            else:
                content = Later(
                    f"unexpected failure {incident}; the aggregator's log says more", FAILED_RETRY_MS
                )
            found = _Read(content, judge_clock(sent))
        return replace(batch, content=found.content, clock=found.clock, world=found.world, again=again)

    async def _read(self, agent: Agent, batch: Offered, sent: Sent, rules: RuleSet) -> _Read:
        clock = judge_clock(sent)
        if agent.id in rules.stopped:
            state = rules.stopped[agent.id]
            reason = (
                f"this agent is {state}: an administrator can make it active again, until then keep the data"
            )
            return _Read(Later(reason, STOPPED_RETRY_MS), clock, rules.world)
        columns = decode(batch.payload)
        if isinstance(columns, Lost):
            return _Read(_checked(columns, batch.seq), clock, rules.world)
        if isinstance(columns, Refused | Later):
            return _Read(columns, clock)
        columns, clock = correct(columns, sent)
        now_us = sent.received_us
        resolved = await self._resolver.resolve(agent, columns.dictionary, rules=rules, now_us=now_us)
        if isinstance(resolved, Refused):
            return _Read(resolved, clock)
        floor_us = rules.floor_us
        usual = take_usual(columns, resolved, agent_id=agent.id, now_us=now_us, floor_us=floor_us)
        content = usual or admit(columns, resolved, agent_id=agent.id, now_us=now_us, floor_us=floor_us)
        return _Read(content, clock, rules.world if isinstance(content, Admitted) else None)


def _checked(lost: Lost, seq: int) -> Lost | Refused:
    if not seq <= lost.through <= SEQUENCE_MAX:
        return Refused(f"the tombstone under number {seq} stands for numbers up to {lost.through}")
    return lost
