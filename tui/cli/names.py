"""Things named as people name them: a client by its name, a bucket as CLIENT/NAME, an agent by its host."""

from collections.abc import Iterable

from tui.client import PAGE_ROWS_MAX, Aggregator, Page
from tui.failures import CallFailed, Kind
from ullage.v1 import agents_pb2, inventory_pb2

ID_DIGITS_MAX = 18


def is_id(named: str) -> bool:
    """Whether it is meant as an id, and one that a message can carry; of more digits it can only be a name."""
    return named.isascii() and named.isdigit() and len(named) <= ID_DIGITS_MAX


async def client_id(aggregator: Aggregator, named: str) -> int:
    """The id of a client given by id or by name (any case); 0 for an empty text."""
    if not named:
        return 0
    if is_id(named):
        return int(named)
    found = await _client(aggregator, named)
    if not found:
        raise CallFailed(
            Kind.REFUSED,
            f"There is no client named {named!r}; `ullage clients list --search …` shows what there is.",
        )
    return found


async def _client(aggregator: Aggregator, named: str) -> int:
    """0 when there is none."""
    after, alike = "", 0
    while True:
        reply = await aggregator.clients(Page(size=PAGE_ROWS_MAX, after=after), search=named)
        for client in reply.clients:
            if client.name == named:
                return client.id
            if client.name.casefold() == named.casefold():
                alike = alike or client.id
        after = reply.page.next
        if not after:
            return alike


async def bucket_id(aggregator: Aggregator, named: str) -> int:
    """The id of a bucket given by id or as CLIENT/NAME (any case); 0 for an empty text."""
    if not named:
        return 0
    if is_id(named):
        return int(named)
    # Either name may hold a slash itself.
    for cut in (place for place, character in enumerate(named) if character == "/"):
        of, name = named[:cut], named[cut + 1 :]
        client = int(of) if is_id(of) else await _client(aggregator, of) if of else 0
        if client and name:
            found = await _bucket(aggregator, client, name)
            if found:
                return found
    raise CallFailed(
        Kind.REFUSED,
        f"There is no bucket {named!r}: give its id or CLIENT/NAME; `ullage buckets list` shows what there is.",
    )


async def _bucket(aggregator: Aggregator, client: int, name: str) -> int:
    """0 when there is none."""
    after, alike = "", 0
    while True:
        page = Page(size=PAGE_ROWS_MAX, after=after)
        reply = await aggregator.buckets(page, client_id=client, search=name)
        for bucket in reply.buckets:
            if bucket.name == name:
                return bucket.id
            if bucket.name.casefold() == name.casefold():
                alike = alike or bucket.id
        after = reply.page.next
        if not after:
            return alike


async def bucket_ids(aggregator: Aggregator, named: Iterable[str]) -> list[int]:
    """Of each, in the same order."""
    return [await bucket_id(aggregator, one) for one in named]


async def agent_id(aggregator: Aggregator, named: str) -> int:
    """The id of an agent given by id or by name (any case); 0 for an empty text."""
    if not named:
        return 0
    if is_id(named):
        return int(named)
    after = ""
    found: list[agents_pb2.Agent] = []
    while True:
        request = agents_pb2.ListAgentsRequest(
            page=Page(size=PAGE_ROWS_MAX, after=after).message(), search=named
        )
        reply = await aggregator.ask(aggregator.admin.ListAgents, request)
        found.extend(one for one in reply.agents if one.name.casefold() == named.casefold())
        after = reply.page.next
        if not after:
            break
    if not found:
        raise CallFailed(
            Kind.REFUSED,
            f"There is no agent named {named!r}; `ullage agents list --search …` shows what there is.",
        )
    if len(found) > 1:
        ids = ", ".join(f"{one.id} (site {one.site})" for one in found)
        raise CallFailed(Kind.REFUSED, f"Several agents are named {named!r}: give one of the ids {ids}.")
    return found[0].id


async def unit_type(aggregator: Aggregator, named: str) -> inventory_pb2.UnitType:
    """The unit type of that name."""
    reply = await aggregator.ask(aggregator.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())
    for one in reply.unit_types:
        if one.name == named:
            return one
    raise CallFailed(
        Kind.REFUSED, f"There is no unit type named {named!r}; `ullage unit-types list` shows what there is."
    )
