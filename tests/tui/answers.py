"""How the scripted aggregator answers: lists by page, and what it has no method of its own for as the script says."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ullage.v1 import (
    admin_pb2,
    agents_pb2,
    analysis_pb2,
    billing_pb2,
    closing_pb2,
    exchange_pb2,
    insight_pb2,
    inventory_pb2,
    types_pb2,
)

if TYPE_CHECKING:
    from tests.tui.scripted import Script, Scripted

Row = TypeVar("Row")
# What the script says by itself, unless it has an answer of that name.
FROM_SCRIPT: dict[str, Callable[["Script"], Message]] = {
    "ListAssignmentRules": lambda s: inventory_pb2.ListAssignmentRulesReply(rules=s.rules),
    "ListSuppressions": lambda s: inventory_pb2.ListSuppressionsReply(suppressions=s.suppressions),
    "ListUnitTypes": lambda s: inventory_pb2.ListUnitTypesReply(unit_types=s.unit_types),
    "GetDashboard": lambda s: s.dashboard,
    "GetHealth": lambda s: s.dashboard.health,
    "WhoAmI": lambda s: admin_pb2.Identity(
        key_name="ops", role=s.role, server_version="0.1.0", methods=s.methods
    ),
    "ListAgents": lambda s: agents_pb2.ListAgentsReply(
        agents=s.agents, page=types_pb2.PageInfo(total=len(s.agents))
    ),
    "ListQuarantine": lambda s: admin_pb2.ListQuarantineReply(groups=s.quarantine),
    "ListJobs": lambda s: admin_pb2.ListJobsReply(jobs=s.jobs),
}
_FILES = (admin_pb2, analysis_pb2, billing_pb2, closing_pb2, exchange_pb2, insight_pb2, inventory_pb2)


class Refused(Exception):
    """What an answer raises where the aggregator refuses this call, and no other."""


def answer_the_rest(scripted: "Scripted") -> None:
    """Gives it a method for every call of its services that its class does not answer itself."""
    for file in _FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                if method.name not in vars(type(scripted)):
                    reply = GetMessageClass(method.output_type)
                    answering = _streaming if method.server_streaming else _answering
                    setattr(scripted, method.name, answering(scripted, method.name, reply))


def _answering(
    scripted: "Scripted", name: str, empty: Callable[[], Message]
) -> Callable[[Any, Any], Awaitable[Message]]:
    async def answer(request: Any, context: Any) -> Message:
        await scripted.enter(request, context)
        said = scripted.script.answers.get(name)
        if said is None and name in FROM_SCRIPT:
            return FROM_SCRIPT[name](scripted.script)
        if said is None:
            return empty()
        try:
            reply = said if isinstance(said, Message) else said(request)
        except Refused as refused:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(refused))
            raise AssertionError from None
        # Those that take their time are coroutines.
        return reply if isinstance(reply, Message) else await reply

    return answer


def _streaming(
    scripted: "Scripted", name: str, _: Callable[[], Message]
) -> Callable[[Any, Any], AsyncIterator[Message]]:
    async def answer(request: Any, context: Any) -> AsyncIterator[Message]:
        await scripted.enter(request, context)
        for message in scripted.script.streams.get(name, ()):
            yield message

    return answer


def has(search: str, *texts: str) -> bool:
    """Whether it is part of one of the texts, any case."""
    return any(search.casefold() in text.casefold() for text in texts)


async def paged(
    found: Iterable[Row], page: types_pb2.PageRequest, context: Any
) -> tuple[Sequence[Row], types_pb2.PageInfo]:
    """A page of the rows; the token is the number of the row after which to go on."""
    rows = list(found)
    if page.size > 500:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page.size: at most 500")
    if page.sort:
        rows.sort(key=lambda row: _sort_key(row, page.sort), reverse=page.descending)
    start = int(page.after or 0)
    end = start + (page.size or 100)
    return rows[start:end], types_pb2.PageInfo(next=str(end) if end < len(rows) else "", total=len(rows))


def _sort_key(row: Any, name: str) -> Any:
    value = getattr(row, {"client": "client_name"}.get(name, name))
    if isinstance(value, types_pb2.Money):
        return Decimal(value.amount or 0)
    if isinstance(value, str):
        try:
            return (1, Decimal(value), "")
        except ArithmeticError:
            # Figures that are not known come first, as at the aggregator.
            return (2 if value else 0, Decimal(0), value)
    return value if isinstance(value, int) else (value.seconds, value.nanos)
