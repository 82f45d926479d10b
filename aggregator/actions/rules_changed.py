"""What every change of an assignment rule does at its end: it says what changes hands, asks whether that is meant, and
flags it for the binding run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.actions.preview import confirm, preview_assets
from aggregator.domain.match import Filter
from aggregator.domain.preview import Preview
from aggregator.store import binding, rules
from aggregator.store import preview as names
from aggregator.store.database import Connection
from aggregator.store.news import announce


@dataclass(frozen=True, slots=True)
class RuleChanged:
    """The rule (0 where a dry run made none) and what came of the change, or would come."""

    rule_id: int
    preview: Preview


async def settle_rule(
    conn: Connection,
    rule_id: int,
    *,
    client_id: int,
    takes: Sequence[Sequence[Filter]],
    confirmed_assets: int | None,
) -> Preview:
    """What changes hands by what was changed in this transaction. ``takes``: what the rule takes, before and after.

    With ``confirmed_assets`` None it is a dry run, which asks for nothing and flags nothing.
    """
    concerned = set(await rules.assets_of_rule(conn, rule_id))
    for filters in takes:
        concerned.update(await rules.fitting_assets(conn, filters))
    preview = await preview_assets(conn, sorted(concerned), now=await names.now(conn))
    if confirmed_assets is None:
        return preview
    confirm(preview, confirmed_assets=confirmed_assets, total_assets=await names.assets_total(conn))
    await binding.flag(conn, concerned)
    await announce(conn, "client", clients=[client_id])
    return preview
