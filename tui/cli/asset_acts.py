"""What is decided about assets: whose they are, what bills them, whether they count. Many at a time, in one call each."""

import click
from google.protobuf.timestamp_pb2 import Timestamp

from tui.cli.assets import assets
from tui.cli.names import bucket_ids, client_id
from tui.cli.options import confirm_option, dry_run_option, form_option, yes_option
from tui.cli.outcome import acted, ask
from tui.cli.selection import Chosen, asset_choice
from tui.cli.session import run
from tui.cli.values import Whole, parse_moment
from tui.client import Aggregator
from ullage.v1 import asset_acts_pb2, inventory_pb2

ActReply = asset_acts_pb2.ActReply
# One transaction over many assets may take its time.
ACT_SECONDS_MAX = 120.0

_MOMENT = "YYYY-MM-DD[THH:MM+ZONE]"
_to_client = click.option("--to", "to", metavar="CLIENT", help="Who gets them: id or name.")
_at = click.option(
    "--at",
    type=parse_moment,
    metavar=_MOMENT,
    help="From when, cut to the hour. Without it: from the end of finalised time.",
)


def _assign(
    chosen: Chosen, to: str, at: Timestamp | None, *, act: str, dry_run: bool, confirmed: int, form: str
) -> None:
    ids = chosen.ids(act, dry_run=dry_run)
    if not ids:
        return

    async def work(aggregator: Aggregator) -> inventory_pb2.AssignAssetsReply:
        request = inventory_pb2.AssignAssetsRequest(
            asset_ids=ids,
            client_id=await client_id(aggregator, to),
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        if at is not None:
            # A word of Python's own, so it cannot be named above.
            getattr(request, "from").CopyFrom(at)
        return await aggregator.ask(aggregator.inventory.AssignAssets, request, seconds=ACT_SECONDS_MAX)

    acted(run(work), len(ids), "asset", form, dry_run=dry_run)


@assets.command("assign")
@asset_choice
@_to_client
@click.option("--end", is_flag=True, help="End the assignment: they are metered on, unassigned.")
@_at
@dry_run_option
@confirm_option
@form_option
def assign_assets(
    *,
    chosen: Chosen,
    to: str | None,
    end: bool,
    at: Timestamp | None,
    dry_run: bool,
    confirmed: int,
    form: str,
) -> None:
    """Assigns assets to a client by hand, or ends their assignment. Rules leave them alone from then on.

    \b
    Examples:
      ullage assets assign 17 18 --to "Brook & Sons"
      ullage assets assign --search web- --unassigned --to acme --dry-run
      ullage assets list --label env=prod --format jsonl | jq .id | ullage assets assign - --to acme
    """
    if bool(to) == end:
        raise click.UsageError("Say either --to CLIENT or --end.")
    act = f"Assign to {to}" if to else "End the assignment of"
    _assign(chosen, to or "", at, act=act, dry_run=dry_run, confirmed=confirmed, form=form)


@assets.command("move")
@asset_choice
@_to_client
@click.option("--at", type=parse_moment, metavar=_MOMENT, required=True, help="When, cut to the hour.")
@dry_run_option
@confirm_option
@form_option
def move_assets(
    *, chosen: Chosen, to: str | None, at: Timestamp, dry_run: bool, confirmed: int, form: str
) -> None:
    """Moves assets to another client at a moment: usage before it stays with the one they had.

    The dry run says which aggregations divide the period between both.

    Example: ullage assets move 17 --to acme --at 2026-11-15T00:00+01:00 --dry-run
    """
    if not to:
        raise click.UsageError("Say to whom: --to CLIENT.")
    _assign(chosen, to, at, act=f"Move to {to}", dry_run=dry_run, confirmed=confirmed, form=form)


@assets.command("release")
@asset_choice
@dry_run_option
@confirm_option
@form_option
def release_assets(*, chosen: Chosen, dry_run: bool, confirmed: int, form: str) -> None:
    """Gives assets back to assignment rules, which then decide whose they are.

    Example: ullage assets release 17 18 --dry-run
    """
    ids = chosen.ids("Give back to assignment rules", dry_run=dry_run)
    if ids:
        request = asset_acts_pb2.ReleaseAssetsRequest(
            asset_ids=ids, dry_run=dry_run, confirmed_assets=confirmed
        )
        reply = run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.ReleaseAssets, request, seconds=ACT_SECONDS_MAX
            )
        )
        acted(reply, len(ids), "asset", form, dry_run=dry_run)


@assets.command("ack")
@asset_choice
@click.option("--withdraw", is_flag=True, help="Make them new again.")
@form_option
def acknowledge_assets(*, chosen: Chosen, withdraw: bool, form: str) -> None:
    """Says that somebody has seen these assets: they are not new any more.

    Example: ullage assets ack --new --client acme
    """
    ids = chosen.ids("Make new again" if withdraw else "Acknowledge")
    if ids:
        request = asset_acts_pb2.AcknowledgeAssetsRequest(asset_ids=ids, withdraw=withdraw)
        reply = run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.AcknowledgeAssets, request, seconds=ACT_SECONDS_MAX
            )
        )
        acted(reply, len(ids), "asset", form, dry_run=False)


@assets.command("describe")
@asset_choice
@click.option("--text", required=True, metavar="TEXT", help="The description; an empty one removes it.")
@form_option
def describe_assets(*, chosen: Chosen, text: str, form: str) -> None:
    """Sets the description of assets.

    Example: ullage assets describe 17 --text "old rack, until March"
    """
    ids = chosen.ids("Describe")
    if ids:
        request = asset_acts_pb2.DescribeAssetsRequest(asset_ids=ids, description=text)
        reply = run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.DescribeAssets, request, seconds=ACT_SECONDS_MAX
            )
        )
        acted(reply, len(ids), "asset", form, dry_run=False)


def _set_enabled(chosen: Chosen, *, enabled: bool, dry_run: bool, confirmed: int, form: str) -> None:
    ids = chosen.ids("Enable" if enabled else "Disable", dry_run=dry_run)
    if ids:
        request = asset_acts_pb2.SetAssetsEnabledRequest(
            asset_ids=ids, enabled=enabled, dry_run=dry_run, confirmed_assets=confirmed
        )
        reply = run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.SetAssetsEnabled, request, seconds=ACT_SECONDS_MAX
            )
        )
        acted(reply, len(ids), "asset", form, dry_run=dry_run)


@assets.command("enable")
@asset_choice
@dry_run_option
@confirm_option
@form_option
def enable_assets(*, chosen: Chosen, dry_run: bool, confirmed: int, form: str) -> None:
    """Lets rules and filters bind assets again from now on.

    Example: ullage assets enable --disabled --client acme --dry-run
    """
    _set_enabled(chosen, enabled=True, dry_run=dry_run, confirmed=confirmed, form=form)


@assets.command("disable")
@asset_choice
@dry_run_option
@confirm_option
@form_option
def disable_assets(*, chosen: Chosen, dry_run: bool, confirmed: int, form: str) -> None:
    """Ends the bindings of assets now. What was used before stays billed.

    Example: ullage assets disable 17 --dry-run
    """
    _set_enabled(chosen, enabled=False, dry_run=dry_run, confirmed=confirmed, form=form)


@assets.command("disregard")
@asset_choice
@click.option("--from-now", is_flag=True, help="From now on, instead of from the end of finalised time.")
@dry_run_option
@confirm_option
@form_option
def disregard_assets(*, chosen: Chosen, from_now: bool, dry_run: bool, confirmed: int, form: str) -> None:
    """Decides that assets are not billed and not shown. Their history stays, and `restore` brings them back.

    Example: ullage assets disregard --search tmp- --unbound --dry-run
    """
    ids = chosen.ids("Disregard", dry_run=dry_run)
    if ids:
        request = asset_acts_pb2.DisregardAssetsRequest(
            asset_ids=ids, from_now=from_now, dry_run=dry_run, confirmed_assets=confirmed
        )
        reply = run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.DisregardAssets, request, seconds=ACT_SECONDS_MAX
            )
        )
        acted(reply, len(ids), "asset", form, dry_run=dry_run)


@assets.command("restore")
@asset_choice
@dry_run_option
@confirm_option
@form_option
def restore_assets(*, chosen: Chosen, dry_run: bool, confirmed: int, form: str) -> None:
    """Takes the decision to disregard back: rules and filters bind these assets again.

    Example: ullage assets restore --disregarded --search tmp- --dry-run
    """
    ids = chosen.ids("Restore", dry_run=dry_run)
    if ids:
        request = asset_acts_pb2.RestoreAssetsRequest(
            asset_ids=ids, dry_run=dry_run, confirmed_assets=confirmed
        )
        reply = run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.RestoreAssets, request, seconds=ACT_SECONDS_MAX
            )
        )
        acted(reply, len(ids), "asset", form, dry_run=dry_run)


@assets.command("bind")
@asset_choice
@click.option(
    "--to",
    "to",
    multiple=True,
    required=True,
    metavar="BUCKET",
    help="Id or CLIENT/NAME; given twice: each takes the series of its unit type. All of one client.",
)
@_at
@click.option("--until", type=parse_moment, metavar=_MOMENT, help="To when. Without it: open.")
@click.option(
    "--backdate",
    is_flag=True,
    help="Reach into finalised time, where nothing was bound; acts through adjustments only.",
)
@dry_run_option
@confirm_option
@form_option
def bind_assets(
    *,
    chosen: Chosen,
    to: tuple[str, ...],
    at: Timestamp | None,
    until: Timestamp | None,
    backdate: bool,
    dry_run: bool,
    confirmed: int,
    form: str,
) -> None:
    """Binds assets to buckets by hand, over whatever filters say. An unassigned asset goes to the bucket's client.

    Example: ullage assets bind 17 18 --to "acme/web memory" --to acme/vcpu --dry-run
    """
    ids = chosen.ids("Bind", dry_run=dry_run)
    if not ids:
        return

    async def work(aggregator: Aggregator) -> ActReply:
        request = asset_acts_pb2.BindAssetsRequest(
            asset_ids=ids,
            bucket_ids=await bucket_ids(aggregator, to),
            to=until,
            backdate=backdate,
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        if at is not None:
            # A word of Python's own, so it cannot be named above.
            getattr(request, "from").CopyFrom(at)
        return await aggregator.ask(aggregator.inventory.BindAssets, request, seconds=ACT_SECONDS_MAX)

    acted(run(work), len(ids), "asset", form, dry_run=dry_run)


@assets.command("unbind")
@asset_choice
@click.option(
    "--from", "source_buckets", multiple=True, metavar="BUCKET", help="Id or CLIENT/NAME. None: from all."
)
@dry_run_option
@confirm_option
@form_option
def unbind_assets(
    *, chosen: Chosen, source_buckets: tuple[str, ...], dry_run: bool, confirmed: int, form: str
) -> None:
    """Ends bindings by hand, so that filters decide again.

    Example: ullage assets unbind 17 --from "acme/web memory"
    """
    ids = chosen.ids("End the bindings by hand of", dry_run=dry_run)
    if not ids:
        return

    async def work(aggregator: Aggregator) -> ActReply:
        request = asset_acts_pb2.UnbindAssetsRequest(
            asset_ids=ids,
            bucket_ids=await bucket_ids(aggregator, source_buckets),
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        return await aggregator.ask(aggregator.inventory.UnbindAssets, request, seconds=ACT_SECONDS_MAX)

    acted(run(work), len(ids), "asset", form, dry_run=dry_run)


@assets.command("merge")
@click.argument("asset_id", metavar="ID", type=Whole(1))
@click.option("--into", "into_id", metavar="ID", type=Whole(1), required=True, help="What stays.")
@dry_run_option
@yes_option
@form_option
def merge_assets(asset_id: int, into_id: int, dry_run: bool, yes: bool, form: str) -> None:
    """Makes one asset of two, as after a new image or a new name: the history of ID follows, both ids are kept.

    This cannot be undone.

    Example: ullage assets merge 212 --into 17 --dry-run
    """
    if not dry_run:
        ask(f"Merge asset {asset_id} into {into_id}?", yes=yes)
    request = asset_acts_pb2.MergeAssetsRequest(asset_id=asset_id, into_id=into_id, dry_run=dry_run)
    reply = run(
        lambda aggregator: aggregator.ask(aggregator.inventory.MergeAssets, request, seconds=ACT_SECONDS_MAX)
    )
    acted(reply, 1, "asset", form, dry_run=dry_run, reversible=False)
