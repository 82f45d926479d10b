"""Rates what is due: for each client the open period and every ended one that is not finalised.

It reconciles, so that a run too many changes nothing and a killed one leaves either the old or the new figures of a
period. Responsible for the order of things; what is due is decided in domain/due.py, what it costs in domain/rate.py.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from aggregator.actions.progress import Progress, silent
from aggregator.domain.daily import day_parts, days_from
from aggregator.domain.due import Account, Agreement, DirtyDay, due, passed_on
from aggregator.domain.gap import Coverage
from aggregator.domain.period import Period
from aggregator.domain.quantity import NO_USAGE
from aggregator.domain.rate import combine, rate
from aggregator.errors import Conflict, Unavailable
from aggregator.store import billing, daily, rating
from aggregator.store.billing import Billed, Rated, RatedPart
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.rating import Asked, Folded
from ullage.log import fields

_log = logging.getLogger(__name__)

_NOTHING = Folded(usage=NO_USAGE, coverage=Coverage(), late=False)

# The database sums one client's usage while another's is priced here.
CLIENTS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What all readings of one run have in common."""

    id: int
    now: datetime
    cutoff: datetime


async def bill(
    db: Database,
    *,
    now: datetime,
    run_id: int,
    everything: bool = False,
    progress: Progress = silent,
) -> dict[str, int]:
    """Rates every due (client, period), one transaction each; ``everything`` also those in which nothing changed.

    Counts ``pairs`` (client, period), ``readings`` written, ``changed`` (those whose figures are new), ``clients`` seen;
    ``progress`` gets them after each pair; its steps are clients. A client that cannot be billed does not hold
    up the others: raises ``Conflict`` at the end, when the others are done.
    """
    async with db.transaction() as conn:
        cutoff = await billing.read_cutoff(conn)
    async with db.transaction() as conn:
        clients = await billing.clients(conn)
    run = Run(id=run_id, now=now, cutoff=cutoff)
    counts = Counter({"clients": 0, "pairs": 0, "readings": 0, "changed": 0})
    failed: list[str] = []
    waiting = iter(clients)

    async def work() -> None:
        for client in waiting:
            try:
                await _bill_client(
                    db,
                    client,
                    run,
                    everything=everything,
                    counts=counts,
                    progress=progress,
                    clients=len(clients),
                )
            except Unavailable:
                raise
            except Exception:  # noqa: BLE001 - one client that cannot be billed must not hold up the others
                incident = secrets.token_hex(4)
                _log.exception(
                    "a client could not be billed", extra=fields(client=client.id, incident=incident)
                )
                failed.append(f"{client.id} ({incident})")
            counts["clients"] += 1

    done = await asyncio.gather(*(work() for _ in range(CLIENTS_AT_ONCE)), return_exceptions=True)
    for error in done:
        if error is not None:
            raise error
    if failed:
        raise Conflict(
            f"clients {', '.join(failed)} could not be billed, all others were; the aggregator's log says why"
        )
    return dict(counts)


async def _bill_client(
    db: Database,
    client: Billed,
    run: Run,
    *,
    everything: bool,
    counts: Counter[str],
    progress: Progress,
    clients: int,
) -> None:
    async with db.transaction() as conn:
        account = await billing.account(conn, client)
        dirty = await billing.dirty_days(conn, client.id)
    for period, buckets in due(account, dirty=dirty, now=run.now, everything=everything):
        async with db.transaction() as conn:
            counts.update(await _rate_pair(conn, client, period, buckets, run, everything=everything))
        await progress(dict(counts), done=counts["clients"], total=clients)


async def _rate_pair(
    conn: Connection,
    client: Billed,
    period: Period,
    buckets: frozenset[int],
    run: Run,
    *,
    everything: bool,
) -> Mapping[str, int]:
    """One transaction: takes the marks first, then reads. Empty counts when another run is at work or came later."""
    if not await billing.try_client(conn, client.id) or await billing.overtaken(conn, client.id, run.id):
        return {}
    taken = await billing.take_dirty(conn, client.id, period)
    # Read again after the marks are taken: terms that changed since the plan have left a mark too.
    account = await billing.account(conn, client)
    if account.cycle.period_containing(period.start) != period:
        # The client's calendar was changed since the plan; the next run rates its new periods.
        await billing.mark_dirty(conn, set(taken))
        return {}
    ids = buckets | {bucket for bucket, _ in taken}
    agreements = [a for a in account.agreements if a.bucket_id in ids]
    dirty = None if everything else taken
    counts, late = await rate_buckets(conn, account, period, agreements, run, dirty=dirty)
    # What was stored after the cutoff is for the next run, which must find the mark.
    again = {(bucket, day) for bucket, day in taken if bucket in late}
    passed = passed_on(taken, period=period, account=account, now=run.now)
    await billing.mark_dirty(conn, again | passed)
    if counts["changed"]:
        await announce(conn, "reading", clients=[client.id])
    return {"pairs": 1, **counts}


async def rate_buckets(
    conn: Connection,
    account: Account,
    period: Period,
    agreements: Sequence[Agreement],
    run: Run,
    *,
    dirty: Collection[DirtyDay] | None = None,
) -> tuple[Mapping[str, int], set[int]]:
    """Rates the buckets for the period; what was written, and the buckets with usage stored after the cutoff.

    ``dirty``: days that changed since the buckets were rated; None: any may have.
    """
    standings = {s.bucket_id: s for s in account.standings if s.period_start == period.start}
    days = {
        a.bucket_id: days_from(standings.get(a.bucket_id), agreed=a.agreed(parts), dirty=dirty)
        for a in agreements
        if (parts := a.segments(period, cycle=account.cycle))
    }
    readings, late = await rated(conn, account, period, agreements, run, days=days)
    saved = await billing.save(
        conn,
        readings,
        currency=account.cycle.currency(period).code,
        period=period,
        cutoff=run.cutoff,
        run_id=run.id,
    )
    without = {a.bucket_id for a in agreements} - {reading.bucket_id for reading in readings}
    removed = await billing.remove(conn, without, period)
    await daily.forget(conn, without | {bucket for bucket, since in days.items() if since == 0}, period)
    await daily.save(conn, {r.bucket_id: [day for p in r.parts for day in p.days] for r in readings})
    return {"readings": saved.readings, "changed": saved.changed + removed}, late


async def rated(
    conn: Connection,
    account: Account,
    period: Period,
    agreements: Sequence[Agreement],
    run: Run,
    *,
    days: Mapping[int, int] | None = None,
) -> tuple[list[Rated], set[int]]:
    """What the buckets with terms in the period come to, unsaved; and the buckets with usage stored after the cutoff.

    ``days``: by bucket, the slot from which on its days are told one by one too.
    """
    since = days or {}
    digits = account.cycle.currency(period).digits
    asked = [
        [
            Asked(
                agreement=agreement,
                segment=segment,
                until=agreement.ended(parts, now=run.now),
                days_from=since.get(agreement.bucket_id),
            )
            for segment in parts
        ]
        for agreement in agreements
        if (parts := agreement.segments(period, cycle=account.cycle))
    ]
    folded = await rating.usage(conn, [one for parts in asked for one in parts], cutoff=run.cutoff)
    places = count()
    readings, late = [], set()
    for wanted in asked:
        found = [folded.get(next(places), _NOTHING) for _ in wanted]
        readings.append(_rated(wanted, found, currency_digits=digits))
        if any(part.late for part in found):
            late.add(wanted[0].agreement.bucket_id)
    return readings, late


def _rated(asked: Sequence[Asked], found: Sequence[Folded], *, currency_digits: int) -> Rated:
    """One reading from its segments' usage."""
    agreement = asked[0].agreement
    parts = [
        RatedPart(
            segment=one.segment,
            as_of_slot=max(one.segment.from_slot, min(one.until, one.segment.to_slot)),
            part=rate(
                one.segment,
                folded.usage,
                unit=agreement.unit,
                slots=one.slots,
                currency_digits=currency_digits,
            ),
            coverage=folded.coverage,
            days=[]
            if one.days_from is None
            else list(day_parts(one.segment, folded.days, until=one.until, since=one.days_from)),
        )
        for one, folded in zip(asked, found, strict=True)
    ]
    return Rated(
        bucket_id=agreement.bucket_id,
        parts=parts,
        rating=combine([p.part for p in parts], places=agreement.unit.precision),
        as_of_slot=asked[0].until,
        agreed=agreement.agreed([one.segment for one in asked]),
    )
