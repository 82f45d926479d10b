"""Corrects finalised readings and makes final by itself what is ready: the second half of a billing run."""

import logging
import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from aggregator.actions.adjust import adjust
from aggregator.actions.bill import Run, bill
from aggregator.actions.check_periods import check, subject_of, waiting
from aggregator.actions.finalise import finalise_held
from aggregator.actions.progress import Progress, silent
from aggregator.errors import Conflict, Unavailable
from aggregator.store import billing, closing
from aggregator.store.billing import Billed
from aggregator.store.database import Database
from aggregator.store.news import announce
from ullage.log import fields

_log = logging.getLogger(__name__)


async def close_ready(
    db: Database, *, now: datetime, run_id: int, everything: bool = False, progress: Progress = silent
) -> Mapping[str, int]:
    """One transaction each for a client's adjustments and for every period that is finalised.

    Counts ``adjusted`` lines that changed and ``finalised`` periods. A client that cannot be closed does not hold up the
    others: raises ``Conflict`` at the end.
    """
    async with db.transaction() as conn:
        cutoff = await billing.read_cutoff(conn)
    async with db.transaction() as conn:
        clients = await billing.clients(conn)
    run = Run(id=run_id, now=now, cutoff=cutoff)
    counts = Counter({"adjusted": 0, "finalised": 0})
    failed = []
    for place, client in enumerate(clients):
        try:
            counts["adjusted"] += await _adjust(db, client, run, everything=everything)
            while await _close_oldest(db, client, run):
                counts["finalised"] += 1
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - one client that cannot be closed must not hold up the others
            incident = secrets.token_hex(4)
            _log.exception("a client could not be closed", extra=fields(client=client.id, incident=incident))
            failed.append(f"{client.id} ({incident})")
        await progress(dict(counts), done=place + 1, total=len(clients))
    if failed:
        raise Conflict(
            f"clients {', '.join(failed)} could not be closed, all others were looked at; the aggregator's log says why"
        )
    return dict(counts)


async def bill_and_close(
    db: Database, *, now: datetime, run_id: int, everything: bool = False, progress: Progress = silent
) -> Mapping[str, int]:
    """A whole billing run: rates what is due, corrects what is final, makes final what is ready. Counts as both halves.

    Raises ``Conflict`` at the end where either half left clients out.
    """
    rated, left_out = Counter[str](), []
    try:
        rated.update(await bill(db, now=now, run_id=run_id, everything=everything, progress=progress))
    except Conflict as error:
        left_out.append(str(error))
    try:
        rated.update(await close_ready(db, now=now, run_id=run_id, everything=everything))
    except Conflict as error:
        left_out.append(str(error))
    if left_out:
        raise Conflict("; ".join(left_out))
    return dict(rated)


async def _adjust(db: Database, client: Billed, run: Run, *, everything: bool) -> int:
    """How many lines changed; none while another run is at work on the client."""
    if not client.finalised_slot:
        return 0
    async with db.transaction() as conn:
        if not await billing.try_client(conn, client.id):
            return 0
        subject = await subject_of(conn, client.id)
        account = await billing.account(conn, subject.billed)
        changed = await adjust(conn, subject.billed, account, run, everything=everything)
        if changed:
            await announce(conn, "reading", clients=[client.id])
    return changed


async def _close_oldest(db: Database, client: Billed, run: Run) -> bool:
    """Whether the client's oldest ended period was finalised: it is looked at first, which holds up nobody."""
    async with db.transaction() as conn:
        subject = await subject_of(conn, client.id)
        account = await billing.account(conn, subject.billed)
        periods = await waiting(conn, subject, account, now=run.now)
        if not periods:
            return False
        [found] = await check(conn, subject, account, periods[:1], now=run.now)
    if not found.may_close:
        return False
    first_day = account.cycle.first_day(periods[0])
    try:
        async with db.transaction() as conn:
            await closing.hold(conn, client.id)
            await finalise_held(conn, client.id, first_day, run)
    except Conflict as error:
        # Somebody was first, or rating once more opened an item: the list says so to whoever looks.
        _log.info("not finalised", extra=fields(client=client.id, reason=str(error)))
        return False
    return True
