"""Checks that every reading that was ever sent is accounted for, agent by agent; what is not is an alarm in health."""

import logging
from collections.abc import Mapping

from aggregator.store import control
from aggregator.store.billing import read_cutoff
from aggregator.store.database import Database
from ullage.log import fields

_log = logging.getLogger(__name__)


async def check_totals(db: Database) -> Mapping[str, int]:
    """Counts ``agents`` looked at and those ``unbalanced``."""
    async with db.transaction() as conn:
        cutoff = await read_cutoff(conn)
    async with db.transaction() as conn:
        found = await control.check(conn, cutoff=cutoff)
        await control.save(conn, found, cutoff=cutoff)
    wrong = [one for one in found if one.problem]
    for one in wrong:
        _log.error(
            "control totals do not add up: keep the agent's spool and the database as they are",
            extra=fields(agent=one.name, problem=one.problem),
        )
    return {"agents": len(found), "unbalanced": len(wrong)}
