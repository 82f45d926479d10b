"""Assignment rules, for people."""

from aggregator.actions.change_assignment_rule import delete_assignment_rule, update_assignment_rule
from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.errors import NotFound
from aggregator.rpc import convert
from aggregator.rpc.convert_preview import to_message
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
        """The rule as it is from now on, or in a dry run would be; the next binding run applies it."""
        wanted = convert.to_filter("filter", request.filter)
        made = await create_assignment_rule(
            self._db,
            client_id=request.client_id,
            priority=request.priority,
            conditions=wanted.conditions,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        if request.dry_run:
            rule = inventory_pb2.AssignmentRule(
                client_id=request.client_id, priority=request.priority, filter=request.filter
            )
        else:
            rule = await self._rule(made.rule_id)
        rule.preview.CopyFrom(to_message(made.preview))
        return rule

    async def UpdateAssignmentRule(
        self, request: inventory_pb2.UpdateAssignmentRuleRequest, context: Context
    ) -> inventory_pb2.UpdateAssignmentRuleReply:
        """Priority and conditions; in a dry run the rule as it is."""
        wanted = convert.to_filter("filter", request.filter)
        done = await update_assignment_rule(
            self._db,
            request.id,
            priority=request.priority,
            conditions=wanted.conditions,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return inventory_pb2.UpdateAssignmentRuleReply(
            rule=await self._rule(request.id), preview=to_message(done.preview)
        )

    async def DeleteAssignmentRule(
        self, request: inventory_pb2.DeleteAssignmentRuleRequest, context: Context
    ) -> inventory_pb2.UpdateAssignmentRuleReply:
        """What it assigned goes to the next rule that fits, or to nobody; finalised time stays."""
        done = await delete_assignment_rule(
            self._db, request.id, dry_run=request.dry_run, confirmed_assets=request.confirmed_assets
        )
        return inventory_pb2.UpdateAssignmentRuleReply(preview=to_message(done.preview))

    async def _rule(self, rule_id: int) -> inventory_pb2.AssignmentRule:
        async with snapshot(self._db) as seen:
            rules = await buckets.assignment_rules(seen)
        for row in rules:
            if row.id == rule_id:
                return convert.assignment_rule(row)
        raise NotFound("assignment rule", rule_id)
