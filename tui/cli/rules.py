"""``ullage assignment-rules``: who gets which assets without anybody deciding."""

import click

from tui.cli.listing import show, whole
from tui.cli.names import client_id
from tui.cli.options import confirm_option, dry_run_option, form_option, limit_option
from tui.cli.outcome import consequences, write_preview
from tui.cli.output import Row, write
from tui.cli.session import run, say
from tui.cli.values import FILTER_HELP, Whole, filter_words, parse_filter
from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from ullage.v1 import inventory_pb2, types_pb2

RULE_COLUMNS = ("id", "client_id", "priority", "filter")
ACT_SECONDS_MAX = 120.0


def rule_row(rule: inventory_pb2.AssignmentRule) -> Row:
    """An assignment rule."""
    return {
        "id": rule.id,
        "client_id": rule.client_id,
        "priority": rule.priority,
        "filter": filter_words(rule.filter),
    }


@click.group("assignment-rules")
def assignment_rules() -> None:
    """Who gets which assets: list, create, edit, delete."""


async def _rules(aggregator: Aggregator) -> list[inventory_pb2.AssignmentRule]:
    request = inventory_pb2.ListAssignmentRulesRequest()
    return list((await aggregator.ask(aggregator.inventory.ListAssignmentRules, request)).rules)


@assignment_rules.command("list")
@limit_option
@form_option
def list_assignment_rules(limit: int | None, form: str) -> None:
    """All rules, the one that wins first.

    Example: ullage assignment-rules list
    """
    show(whole([rule_row(one) for one in run(_rules)], limit), RULE_COLUMNS, form, "assignment rules")


@assignment_rules.command("create")
@click.option("--client", required=True, metavar="CLIENT", help="Who gets the assets: id or name.")
@click.option(
    "--priority",
    type=Whole(bits=32),
    default=0,
    show_default=True,
    help="The higher wins, then the older rule.",
)
@click.option("--filter", "filtered", type=parse_filter, metavar="FILTER", required=True, help=FILTER_HELP)
@dry_run_option
@confirm_option
@form_option
def create_assignment_rule(
    *, client: str, priority: int, filtered: types_pb2.Filter, dry_run: bool, confirmed: int, form: str
) -> None:
    """Creates a rule: assets that match and are not assigned by hand go to the client.

    Example: ullage assignment-rules create --client "Brook & Sons" --filter "name glob brook-*" --dry-run
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.AssignmentRule:
        request = inventory_pb2.CreateAssignmentRuleRequest(
            client_id=await client_id(aggregator, client),
            priority=priority,
            filter=filtered,
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        return await aggregator.ask(
            aggregator.inventory.CreateAssignmentRule, request, seconds=ACT_SECONDS_MAX
        )

    rule = run(work)
    if dry_run:
        write_preview(rule.preview, form)
        return
    write([rule_row(rule)], RULE_COLUMNS, form)
    consequences(rule.preview)


@assignment_rules.command("edit")
@click.argument("rule_id", metavar="ID", type=Whole(1))
@click.option("--priority", type=Whole(bits=32), help="The higher wins, then the older rule.")
@click.option("--filter", "filtered", type=parse_filter, metavar="FILTER", help=FILTER_HELP)
@dry_run_option
@confirm_option
@form_option
def edit_assignment_rule(
    *,
    rule_id: int,
    priority: int | None,
    filtered: types_pb2.Filter | None,
    dry_run: bool,
    confirmed: int,
    form: str,
) -> None:
    """Changes what is given and leaves the rest.

    Example: ullage assignment-rules edit 3 --filter "name glob brook-*" --dry-run
    """
    if priority is None and filtered is None:
        raise click.UsageError("Say what to change: --priority or --filter.")

    async def work(aggregator: Aggregator) -> inventory_pb2.UpdateAssignmentRuleReply:
        held = next((one for one in await _rules(aggregator) if one.id == rule_id), None)
        if held is None:
            raise CallFailed(
                Kind.REFUSED,
                f"There is no assignment rule {rule_id}; `ullage assignment-rules list` shows them.",
            )
        request = inventory_pb2.UpdateAssignmentRuleRequest(
            id=rule_id,
            priority=held.priority if priority is None else priority,
            filter=held.filter if filtered is None else filtered,
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        return await aggregator.ask(
            aggregator.inventory.UpdateAssignmentRule, request, seconds=ACT_SECONDS_MAX
        )

    reply = run(work)
    if dry_run:
        write_preview(reply.preview, form)
        return
    write([rule_row(reply.rule)], RULE_COLUMNS, form)
    consequences(reply.preview)


@assignment_rules.command("delete")
@click.argument("rule_id", metavar="ID", type=Whole(1))
@dry_run_option
@confirm_option
@form_option
def delete_assignment_rule(rule_id: int, dry_run: bool, confirmed: int, form: str) -> None:
    """Removes a rule; what it had assigned goes to whom the other rules say.

    Example: ullage assignment-rules delete 3 --dry-run
    """
    request = inventory_pb2.DeleteAssignmentRuleRequest(
        id=rule_id, dry_run=dry_run, confirmed_assets=confirmed
    )
    reply = run(
        lambda aggregator: aggregator.ask(
            aggregator.inventory.DeleteAssignmentRule, request, seconds=ACT_SECONDS_MAX
        )
    )
    if dry_run:
        write_preview(reply.preview, form)
        return
    say(f"Rule {rule_id} is deleted.")
    consequences(reply.preview)
