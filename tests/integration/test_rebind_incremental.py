"""After any change of rules and buckets, what the flagged assets get is what a full rebind would give."""

import random
from dataclasses import replace

import pytest

from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.change_assignment_rule import delete_assignment_rule, update_assignment_rule
from aggregator.actions.given_terms import GivenTerms
from aggregator.actions.rebind import rebind
from aggregator.actions.set_buckets_enabled import set_buckets_enabled
from aggregator.actions.set_terms import delete_terms, set_terms
from aggregator.actions.update_bucket import update_bucket
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.errors import Conflict, NotFound
from aggregator.store.database import Database
from tests.integration.test_rebind import bindings, bucket, client, host, rule
from tests.rollup_world import Conn, opened

TERMS = GivenTerms(starts_on="2026-01-01", commit="0", base_price="1", overage_price="1", aggregation="avg")
CHANGES_MAX = 25


def condition(chance: random.Random) -> Condition:
    operator, pattern = chance.choice(
        [
            (Operator.GLOB, "web-*"),
            (Operator.GLOB, "*-1"),
            (Operator.GLOB, "web-?"),
            (Operator.GLOB, "[wd]*"),
            (Operator.EQUALS, "db-1"),
            (Operator.REGEX, "web-[12]"),
            (Operator.REGEX, "webs?-3|db-.*"),
            (Operator.REGEX, r"d?b\-2"),
            (Operator.REGEX, "(?i)WEB.*"),
        ]
    )
    return Condition("name", operator, pattern)


async def change(db: Database, chance: random.Random, *, clients: list[int], assets: list[int]) -> None:
    """One act of somebody, of any kind; some are refused."""
    rules, buckets = range(1, 5), range(1, 5)
    day = f"2026-0{chance.randint(2, 6)}-01"
    match chance.randint(0, 7):
        case 0:
            await rule(db, chance.choice(clients), condition(chance), priority=chance.randint(0, 2))
        case 1:
            await update_assignment_rule(
                db, chance.choice(rules), priority=chance.randint(0, 2), conditions=[condition(chance)]
            )
        case 2:
            await delete_assignment_rule(db, chance.choice(rules))
        case 3:
            filters = [Filter((condition(chance),)) for _ in range(chance.randint(0, 2))]
            await update_bucket(db, chance.choice(buckets), filters=filters, priority=chance.randint(0, 2))
        case 4:
            ends_on = chance.choice(["", "2026-08-01"])
            await set_terms(db, chance.choice(buckets), replace(TERMS, starts_on=day, ends_on=ends_on))
        case 5:
            await delete_terms(db, chance.choice(buckets), starts_on=day)
        case 6:
            await set_buckets_enabled(
                db, [chance.choice(buckets)], enabled=chance.random() < 0.5, on="2026-09-01"
            )
        case _:
            await assign_assets(db, asset_ids=[chance.choice(assets)], client_id=chance.choice(clients))


@pytest.mark.parametrize("seed", range(3))
async def test_flagged_assets_get_what_a_full_rebind_gives(dsn: str, conn: Conn, seed: int) -> None:
    chance = random.Random(seed)
    assets = [(await host(conn, f"{kind}-{number}"))[0] for kind in ("web", "db") for number in range(4)]
    done = 0
    async with opened(dsn) as db:
        clients = [await client(db, name) for name in ("mine", "yours")]
        for number in range(4):
            await bucket(db, clients[number % 2], f"bucket {number}", priority=number // 2)
        for _ in range(CHANGES_MAX):
            try:
                await change(db, chance, clients=clients, assets=assets)
            except (Conflict, NotFound):
                continue
            done += 1
            await rebind(db)
            assert await rebind(db, everything=True) == {"assets": 8, "assignments": 0, "bindings": 0}
    assert done > CHANGES_MAX // 3
    assert await bindings(conn) != []
