"""Assignment rules, for people."""

from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.rpc import convert
from aggregator.rpc.server import Context
from aggregator.store import buckets
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2


class RuleMethods:
    """Part of the service Inventory."""

    _db: Database

    async def ListAssignmentRules(
        self, request: inventory_pb2.ListAssignmentRulesRequest, context: Context
    ) -> inventory_pb2.ListAssignmentRulesReply:
        """In the order in which they are tried."""
        async with snapshot(self._db) as seen:
            rules = await buckets.assignment_rules(seen)
        return inventory_pb2.ListAssignmentRulesReply(rules=[convert.assignment_rule(row) for row in rules])

    async def CreateAssignmentRule(
        self, request: inventory_pb2.CreateAssignmentRuleRequest, context: Context
    ) -> inventory_pb2.AssignmentRule:
        """The rule as it is from now on; the next binding run applies it."""
        wanted = convert.to_filter("filter", request.filter)
        rule_id = await create_assignment_rule(
            self._db,
            client_id=request.client_id,
            priority=request.priority,
            conditions=wanted.conditions,
        )
        async with snapshot(self._db) as seen:
            [row] = [rule for rule in await buckets.assignment_rules(seen) if rule.id == rule_id]
        return convert.assignment_rule(row)
