"""Works out the lines that correct finalised readings, in the client's earliest unfinalised period.

What was finalised longer ago than the look-back is left alone; what came for it is listed as too late by who takes it in.
"""

from collections.abc import Collection
from dataclasses import replace

from aggregator.actions.bill import Run, rated
from aggregator.domain.adjust import Billed, because, line
from aggregator.domain.close import look_back, standing_in
from aggregator.domain.due import Account, passed_on
from aggregator.domain.period import Period
from aggregator.store import adjustments, billing
from aggregator.store.database import Connection


async def adjust(
    conn: Connection, client: billing.Billed, account: Account, run: Run, *, everything: bool
) -> int:
    """Hold the client. Lines of marked days are worked out anew, with ``everything`` all; how many lines changed.

    Marks are taken first, then everything is read: what changes after that leaves a mark for the next run.
    """
    corrected = look_back(account.cycle, account.finalised_slot)
    if not corrected:
        return 0
    changed = 0
    for period in corrected:
        taken = await billing.take_dirty(conn, client.id, period)
        if not taken and not everything:
            continue
        marked = None if everything else {bucket for bucket, _ in taken}
        moved, late = await _correct(conn, client, account, period, run, marked)
        changed += moved
        again = {(bucket, day) for bucket, day in taken if bucket in late}
        passed = passed_on(taken, period=period, account=account, now=run.now)
        await billing.mark_dirty(conn, again | passed)
    await adjustments.forget_marks(conn, client.id, before_slot=corrected[0].slots(width=1)[0])
    return changed


async def _correct(
    conn: Connection,
    client: billing.Billed,
    account: Account,
    period: Period,
    run: Run,
    marked: Collection[int] | None,
) -> tuple[int, set[int]]:
    """Of these buckets, None: of all. How many lines changed, and the buckets with usage stored after the cutoff."""
    billed = {
        one.bucket_id: one
        for one in await adjustments.finalised(conn, client.id, [period.start])
        if marked is None or one.bucket_id in marked
    }
    agreements = [a for a in account.agreements if a.bucket_id in billed]
    readings, late = await rated(conn, account, period, agreements, run)
    lines = [
        found
        for reading in readings
        if (
            found := line(
                billed[reading.bucket_id],
                quantity=reading.rating.quantity,
                cost=reading.rating.charge.cost,
            )
        )
    ]
    kept = [replace(one, reason=await _reason(conn, billed[one.bucket_id], period, run)) for one in lines]
    removed = await adjustments.remove(conn, billed.keys() - {one.bucket_id for one in kept}, of=period)
    saved = await adjustments.save(
        conn,
        kept,
        of=period,
        standing_in=standing_in(account.cycle, account.finalised_slot),
        cutoff=run.cutoff,
        run_id=run.id,
    )
    return removed + saved, late


async def _reason(conn: Connection, billed: Billed, period: Period, run: Run) -> str:
    found = await adjustments.late_batches(
        conn, billed.bucket_id, period, since=billed.cutoff, cutoff=run.cutoff
    )
    return because(found)
