"""Lets a period be closed with items of its checklist that somebody has seen; who, when and why is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from aggregator.actions import given
from aggregator.actions.check_periods import check, ended_period, subject_of
from aggregator.domain.close import Checklist, Item
from aggregator.domain.due import Account
from aggregator.domain.period import Period
from aggregator.errors import Conflict, Invalid
from aggregator.store import billing, closing
from aggregator.store.closing import Subject, Target
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce

REASON_CHARACTERS_MAX = 500
ITEMS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A client's ended period and its checklist."""

    subject: Subject
    account: Account
    period: Period
    checklist: Checklist


async def look(conn: Connection, client_id: int, first_day: date | None, *, now: datetime) -> Looked:
    """The checklist of a period; the day None: of the oldest that is to be finalised. Errors as `ended_period`."""
    subject = await subject_of(conn, client_id)
    account = await billing.account(conn, subject.billed)
    period = await ended_period(conn, subject, account, first_day, now=now)
    [found] = await check(conn, subject, account, [period], now=now)
    return Looked(subject=subject, account=account, period=period, checklist=found)


async def acknowledge_items(
    db: Database,
    client_id: int,
    *,
    first_day: date | None,
    items: Sequence[str],
    reason: str,
    withdraw: bool = False,
    now: datetime | None = None,
) -> Looked:
    """The list afterwards. ``items`` are "kind subject"; none: all that can be acknowledged, or withdrawn.

    Raises ``NotFound``, ``Invalid`` for what is not on the list and without a reason, ``Conflict`` for what only passes.
    """
    said = "" if withdraw else given.text("reason", reason, characters_max=REASON_CHARACTERS_MAX)
    if not withdraw and not said.strip():
        raise Invalid("reason", "say why the period may be closed all the same")
    if len(items) > ITEMS_MAX:
        raise Invalid("items", f"at most {ITEMS_MAX:,} at once; none means all of them")
    async with db.transaction() as conn:
        await closing.hold(conn, client_id)
        at = now or await closing.clock(conn)
        looked = await look(conn, client_id, first_day, now=at)
        chosen = _chosen(looked.checklist, items)
        target = Target(client_id, looked.period)
        if withdraw:
            await closing.withdraw(conn, target, chosen)
        else:
            await closing.acknowledge(conn, target, chosen, reason=said)
        await announce(conn, "client", clients=[client_id])
        return await look(conn, client_id, looked.account.cycle.first_day(looked.period), now=at)


def _chosen(found: Checklist, items: Sequence[str]) -> list[Item]:
    known = {f"{item.kind.value} {item.subject}": item for item in found.items}
    if not items:
        return [item for item in found.items if item.can_acknowledge]
    chosen = {}
    for text in items:
        item = known.get(text.strip()) or known.get(f"{text.strip()} ")
        if item is None:
            raise Invalid("items", f"{text!r} is not on the list; take kind and subject as it shows them")
        if not item.can_acknowledge:
            raise Conflict(f"{item.kind.value} cannot be acknowledged: {item.text}")
        chosen[item.key] = item
    return list(chosen.values())
