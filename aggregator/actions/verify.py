"""Verifies finalised readings: the hash of their evidence, the figures from it, and the evidence from what was stored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from aggregator.actions.evidence import gather_again
from aggregator.domain.evidence import Evidence, rate_again, read
from aggregator.domain.verify import (
    Said,
    State,
    Step,
    check_hash,
    check_rating,
    differences,
    merged_since,
    raw_needed_from,
)
from aggregator.store import evidence as kept
from aggregator.store.database import Connection, Database
from aggregator.store.readings import ReadingRow, readings_of


@dataclass(frozen=True, slots=True)
class Verified:
    """The three steps for one reading."""

    reading: ReadingRow
    hash: Step
    rating: Step
    readings: Step


async def verify(
    db: Database, client_id: int, *, bucket_id: int | None = None, at: datetime | None = None
) -> AsyncIterator[Verified]:
    """The client's finalised readings one by one, oldest first, each in a transaction of its own.

    ``bucket_id``: of one bucket; ``at``: of the period that holds this time.
    """
    async with db.transaction() as conn:
        ids = await kept.finalised(conn, client_id, bucket_id=bucket_id, at=at)
    for reading_id in ids:
        async with db.transaction() as conn:
            found = (await readings_of(conn, [reading_id])).get(reading_id)
            verified = None if found is None else await _verify(conn, found)
        if verified is not None:
            yield verified


async def _verify(conn: Connection, reading: ReadingRow) -> Verified:
    text = (await kept.texts(conn, [reading.bucket_id], reading.period_start)).get(reading.bucket_id)
    if text is None:
        without = Step(State.NOT_POSSIBLE, "without evidence there is nothing to compare with")
        return Verified(reading, Step(State.FAILED, "there is no evidence of this reading"), without, without)
    hashed = check_hash(text.body, text.sha256)
    try:
        evidence = read(text.body)
        figures = rate_again(evidence)
    except (ValueError, ArithmeticError, LookupError) as error:
        unread = Step(State.FAILED, f"the evidence cannot be rated: {error}")
        return Verified(
            reading, hashed, unread, Step(State.NOT_POSSIBLE, "the evidence cannot be read, see above")
        )
    said = Said(**{name: getattr(reading, name) for name in Said.__dataclass_fields__})
    return Verified(reading, hashed, check_rating(said, evidence, figures), await _readings(conn, evidence))


async def _readings(conn: Connection, evidence: Evidence) -> Step:
    found, late = await gather_again(conn, evidence, raw=False)
    if series := merged_since(evidence, found):
        return Step(
            State.NOT_POSSIBLE,
            f"series {', '.join(map(str, series))} belong to another asset since assets were merged, so that their slots "
            "count otherwise today",
        )
    floor = await kept.raw_floor(conn)
    raw_is_kept = floor is None or floor <= raw_needed_from(evidence)
    if late and not raw_is_kept:
        return Step(
            State.NOT_POSSIBLE,
            f"slots hold what was stored after the cutoff too, and raw readings before {floor:%Y-%m-%d} are kept no more",
        )
    said = differences(evidence, found)
    if said:
        return Step(State.FAILED, "slots do not give the evidence: " + "; ".join(said))
    slots = f"{sum(len(one.values) for one in evidence.segments)} slots of {_assets(evidence)}"
    if not raw_is_kept:
        return Step(
            State.NOT_POSSIBLE,
            f"{slots} give the evidence, but raw readings before {floor:%Y-%m-%d} are kept no more",
        )
    again, _ = await gather_again(conn, evidence, raw=True)
    said = differences(evidence, again)
    if said:
        return Step(State.FAILED, "raw readings do not give the evidence: " + "; ".join(said))
    return Step(
        State.OK,
        f"{slots}, and raw readings stored by {evidence.cutoff.isoformat()}, give the evidence again",
    )


def _assets(evidence: Evidence) -> str:
    assets = {asset.asset_id for one in evidence.segments for asset in one.assets}
    return "1 asset" if len(assets) == 1 else f"{len(assets)} assets"
