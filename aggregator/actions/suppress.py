"""Keeps matching assets out at ingest, and lets them in again. Holds from the next batch of every aggregator on."""

import unicodedata

from aggregator.actions import given
from aggregator.domain.match import Condition
from aggregator.domain.suppress import REASON_CHARACTERS_MAX, SUPPRESSIONS_MAX
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import suppressions
from aggregator.store.database import Database
from aggregator.store.news import announce


async def create_suppression(db: Database, *, condition: Condition, reason: str) -> int:
    """The id of the new suppression. What is stored already of matching assets stays.

    Raises ``Invalid`` naming the field, ``Conflict`` when the same one holds or there are too many.
    """
    [checked] = given.conditions("condition", [condition])
    why = _reason(reason)
    async with db.transaction() as conn:
        if await suppressions.hold(conn) >= SUPPRESSIONS_MAX:
            raise Conflict(
                f"{SUPPRESSIONS_MAX} suppressions hold already; end some, or write one that says what several say"
            )
        number = await suppressions.insert(conn, checked, reason=why)
        if number is None:
            raise Conflict(
                "this suppression holds already; `ullage suppressions list` shows since when and why"
            )
        await announce(conn, "asset")
    return number


async def end_suppression(db: Database, suppression_id: int) -> None:
    """Ends it; one that has ended stays as it is. What it dropped is gone. Raises ``NotFound``."""
    async with db.transaction() as conn:
        if not await suppressions.end(conn, suppression_id):
            raise NotFound("suppression", suppression_id)
        await announce(conn, "asset")


def _reason(text: str) -> str:
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not cleaned:
        raise Invalid("reason", "is missing; say why these assets are kept out")
    if len(cleaned) > REASON_CHARACTERS_MAX:
        raise Invalid("reason", f"may have at most {REASON_CHARACTERS_MAX} characters")
    if any(unicodedata.category(character).startswith("C") for character in cleaned):
        raise Invalid("reason", "must not contain control or formatting characters")
    return cleaned
