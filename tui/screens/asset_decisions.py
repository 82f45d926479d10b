"""What can be decided about assets, each as an act or a form for any number of them: one call, one audit group.

In the words of `ullage assets`; what each means for money the aggregator says in a dry run.
"""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tui.cli.values import parse_moment
from tui.client.wire import Method
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, FormError, Values
from tui.format import clean, plural
from tui.screens.asset_search import NO_CLIENT, NOBODY, Assets, Buckets, Clients, asset_label
from tui.screens.given import read
from ullage.v1 import asset_acts_pb2, inventory_pb2

Asset = inventory_pb2.Asset
# One transaction over many assets may take its time.
ACT_SECONDS_MAX = 120.0
# The aggregator takes so many in one call, and all of one key's act shall be one call.
ASSETS_PER_ACT_MAX = 10_000
MERGE_WORD = "merge"
DESCRIPTION_CHARACTERS_MAX = 500
_FINALISED = "the end of finalised time"
_MOMENT = "A day (midnight UTC) or a moment with its zone, such as 2026-01-31T14:00Z; cut to the hour"


def named(assets: Sequence[Asset]) -> str:
    """``web-01`` of one, ``3 assets`` of several."""
    return clean(assets[0].name, 40) if len(assets) == 1 else plural(len(assets), "asset")


def deciding(
    desk: Desk,
    assets: Sequence[Asset],
    title: str,
    said: str,
    make: Callable[[list[int], Trial], tuple[Method[Any, Any], Any]],
    tried: Callable[[Any], None] = lambda reply: None,
    otherwise: str = "",
    **more: Any,
) -> Act:
    """An act on assets: ``make`` gives the call and its request for their ids; ``said`` is what was done, in the past.

    ``tried`` adds to a dry run's reply what the aggregator does not count, ``otherwise`` is said where it was that.
    """
    ids = [asset.id for asset in assets]

    async def call(trial: Trial) -> Any:
        method, request = make(ids, trial)
        reply = await desk.aggregator.ask(method, request, seconds=ACT_SECONDS_MAX)
        if trial.dry_run:
            tried(reply)
        return reply

    def done(reply: Any) -> str:
        if otherwise and not reply.changed and reply.audit_group:
            return otherwise
        return f"{said}: {reply.changed:,} of {plural(len(ids), 'asset')} changed."

    return Act(title=title, call=call, done=done, **more)


def _set_from(request: Any, at: Timestamp | None) -> None:
    """``from`` is a word of Python's own."""
    if at is not None:
        getattr(request, "from").CopyFrom(at)


def assign(desk: Desk, assets: Sequence[Asset]) -> Form:
    """To a client, or to nobody, from a time on."""
    return _to_client(
        desk,
        assets,
        Clients(desk, nobody=any(asset.client_id for asset in assets)),
        Field("from", "From", hint=f"{_MOMENT}. Empty: from {_FINALISED}."),
        title="Assign",
    )


def move(desk: Desk, assets: Sequence[Asset]) -> Form:
    """To another client at a moment: usage before it stays with the one they had."""
    return _to_client(
        desk,
        assets,
        Clients(desk),
        Field("from", "When", f"{desk.clock():%Y-%m-%dT%H:00Z}", hint=f"{_MOMENT}.", required=True),
        title="Move",
        says="Usage before that moment stays with the client that they had.",
    )


def _to_client(
    desk: Desk, assets: Sequence[Asset], clients: Clients, when: Field, *, title: str, says: str = ""
) -> Form:
    def act(values: Values) -> Act:
        client, at = values["client_id"], read(values, "from", parse_moment)
        who = clean(clients.names.get(client, ""), 40)

        def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
            request = inventory_pb2.AssignAssetsRequest(
                asset_ids=ids, client_id=int(client), dry_run=trial.dry_run, confirmed_assets=trial.confirmed
            )
            _set_from(request, at)
            return desk.aggregator.inventory.AssignAssets, request

        def pins(reply: Any) -> None:
            # Nobody changes hands, yet rules leave them alone from then on: that is something to do.
            loose = sum(not asset.assigned_by_hand for asset in assets)
            if loose and not reply.changed:
                reply.changed = loose
                reply.preview.notes.append(f"they are {who}'s already; rules leave them alone from then on")

        if client == NO_CLIENT:
            return deciding(desk, assets, f"End the assignment of {named(assets)}", "Assignment ended", make)
        past = "Moved" if title == "Move" else "Assigned"
        named_to = f"{title} {named(assets)} to {who}"
        kept = f"Decided by hand: {named(assets)} of {who}."
        return deciding(desk, assets, named_to, f"{past} to {who}", make, tried=pins, otherwise=kept)

    hint = "Part of a name; the arrows choose."
    if clients.nobody:
        hint += f" “{NOBODY}” ends the assignment: they are metered on, unassigned."
    client = Field("client_id", "Client", hint=hint, search=clients, required=True)
    return Form(f"{title} {named(assets)}", (client, when), act=act, says=says, go="Dry run")


def bind(desk: Desk, assets: Sequence[Asset]) -> Form:
    """To buckets by hand, over whatever filters say."""
    buckets = Buckets(desk, assets)
    picks = ("bucket_ids", "second", "third")

    def act(values: Values) -> Act:
        since, until = read(values, "from", parse_moment), read(values, "to", parse_moment)
        chosen = [values[pick] for pick in picks if values[pick]]
        to = ", ".join(clean(buckets.names.get(one, ""), 40) for one in chosen)

        def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
            request = asset_acts_pb2.BindAssetsRequest(
                asset_ids=ids,
                bucket_ids=[int(one) for one in chosen],
                to=until,
                backdate=values["backdate"] == "yes",
                dry_run=trial.dry_run,
                confirmed_assets=trial.confirmed,
            )
            _set_from(request, since)
            return desk.aggregator.inventory.BindAssets, request

        return deciding(desk, assets, f"Bind {named(assets)} to {to}", f"Bound to {to}", make)

    more = "Another one of the same client, for another unit type."
    return Form(
        f"Bind {named(assets)}",
        (
            Field(
                picks[0],
                "Bucket",
                hint="Part of a name, of bucket or client. Each takes the series of its unit type; "
                "what is unassigned goes to its client.",
                search=buckets,
                required=True,
            ),
            Field(picks[1], "and", hint=more, search=buckets),
            Field(picks[2], "and", hint=more, search=buckets),
            Field("from", "From", hint=f"{_MOMENT}. Empty: from {_FINALISED}."),
            Field("to", "Until", hint=f"{_MOMENT}. Empty: open."),
            Field(
                "backdate",
                "Backdate",
                "no",
                choices=(("no", "no"), ("yes", "yes, into finalised time")),
                hint="Into finalised time, where nothing was bound; acts through adjustments only.",
            ),
        ),
        act=act,
        go="Dry run",
    )


def accept(desk: Desk, assets: Sequence[Asset]) -> Act:
    """Binds each to what is suggested for it."""

    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.BindAssets, asset_acts_pb2.BindAssetsRequest(
            asset_ids=ids, suggested=True, dry_run=trial.dry_run, confirmed_assets=trial.confirmed
        )

    return deciding(desk, assets, f"Accept the suggestion for {named(assets)}", "Suggestion accepted", make)


def unbind(desk: Desk, assets: Sequence[Asset]) -> Act:
    """Ends bindings by hand, so that filters decide again."""

    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.UnbindAssets, asset_acts_pb2.UnbindAssetsRequest(
            asset_ids=ids, dry_run=trial.dry_run, confirmed_assets=trial.confirmed
        )

    return deciding(
        desk, assets, f"End the bindings by hand of {named(assets)}", "Bindings by hand ended", make
    )


def release(desk: Desk, assets: Sequence[Asset]) -> Act:
    """Assignment rules decide again whose they are."""

    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.ReleaseAssets, asset_acts_pb2.ReleaseAssetsRequest(
            asset_ids=ids, dry_run=trial.dry_run, confirmed_assets=trial.confirmed
        )

    title = f"Give {named(assets)} back to assignment rules"
    return deciding(desk, assets, title, "Given back to assignment rules", make)


def acknowledge(desk: Desk, assets: Sequence[Asset]) -> Act:
    """They are not new any more; where none of them is new, they are again. Done without a question."""
    withdraw = all(asset.acknowledged for asset in assets)

    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.AcknowledgeAssets, asset_acts_pb2.AcknowledgeAssetsRequest(
            asset_ids=ids, withdraw=withdraw
        )

    title, said = ("Make new again", "New again") if withdraw else ("Acknowledge", "Acknowledged")
    return deciding(desk, assets, f"{title}: {named(assets)}", said, make, dry=False, asks=False)


def describe(desk: Desk, assets: Sequence[Asset]) -> Form:
    """One description for all of them."""
    texts = {asset.description for asset in assets}

    def act(values: Values) -> Act:
        def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
            return desk.aggregator.inventory.DescribeAssets, asset_acts_pb2.DescribeAssetsRequest(
                asset_ids=ids, description=values["description"]
            )

        if len(values["description"]) > DESCRIPTION_CHARACTERS_MAX:
            raise FormError("description", f"At most {DESCRIPTION_CHARACTERS_MAX} characters.")
        said = "Described" if values["description"] else "Description removed"
        # The form was the question.
        return deciding(desk, assets, f"Describe {named(assets)}", said, make, dry=False, asks=False)

    several = len(texts) > 1
    field = Field(
        "description",
        "Description",
        "" if several else texts.pop(),
        hint="An empty one removes it."
        + (" They have different ones; this replaces all." if several else ""),
    )
    return Form(f"Describe {named(assets)}", (field,), act=act, go="Do it")


def disregard(desk: Desk, assets: Sequence[Asset]) -> Form:
    """Hidden and not billed; their history stays."""

    def act(values: Values) -> Act:
        def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
            return desk.aggregator.inventory.DisregardAssets, asset_acts_pb2.DisregardAssetsRequest(
                asset_ids=ids,
                from_now=values["from_now"] == "yes",
                dry_run=trial.dry_run,
                confirmed_assets=trial.confirmed,
            )

        return deciding(desk, assets, f"Disregard {named(assets)}", "Disregarded", make)

    return Form(
        f"Disregard {named(assets)}",
        (
            Field(
                "from_now",
                "From",
                "no",
                choices=(("no", _FINALISED), ("yes", "now on")),
                hint="Space or the arrows change it.",
            ),
        ),
        act=act,
        says="They are not billed and not shown. Their history stays; Disregarded restores them.",
        go="Dry run",
    )


def restore(desk: Desk, assets: Sequence[Asset]) -> Act:
    """Rules and filters bind them again, as if they had never been disregarded."""

    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.RestoreAssets, asset_acts_pb2.RestoreAssetsRequest(
            asset_ids=ids, dry_run=trial.dry_run, confirmed_assets=trial.confirmed
        )

    return deciding(desk, assets, f"Restore {named(assets)}", "Restored", make)


def set_enabled(desk: Desk, assets: Sequence[Asset], *, enabled: bool) -> Act:
    """Disabling ends their bindings now; enabling lets rules and filters bind them again."""

    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.SetAssetsEnabled, asset_acts_pb2.SetAssetsEnabledRequest(
            asset_ids=ids, enabled=enabled, dry_run=trial.dry_run, confirmed_assets=trial.confirmed
        )

    title, said = ("Enable", "Enabled") if enabled else ("Disable", "Disabled")
    return deciding(desk, assets, f"{title} {named(assets)}", said, make)


def merge(desk: Desk, asset: Asset, into: Asset) -> Act:
    """Makes one asset of two; cannot be taken back, so a word must be typed."""
    return _merging(desk, asset, into.id, clean(into.name, 40))


def _merging(desk: Desk, asset: Asset, into_id: int, into_name: str) -> Act:
    def make(ids: list[int], trial: Trial) -> tuple[Any, Any]:
        return desk.aggregator.inventory.MergeAssets, asset_acts_pb2.MergeAssetsRequest(
            asset_id=ids[0], into_id=into_id, dry_run=trial.dry_run
        )

    into = f"{into_name} (asset {into_id})"
    return deciding(
        desk,
        [asset],
        f"Merge {named([asset])} (asset {asset.id}) into {into}",
        f"Merged into {into}",
        make,
        warns=f"The history of asset {asset.id} follows into asset {into_id}; both ids are kept. This cannot be undone.",
        word=MERGE_WORD,
        undoable=False,
    )


def merge_into(desk: Desk, asset: Asset, same: Sequence[Asset] = ()) -> Form:
    """One asset into another that is looked for; ``same`` are likely ones, the first is filled in."""
    others = Assets(desk, asset)
    first = next((one for one in same if one.source_type == asset.source_type), None)
    if first is not None:
        others.names[str(first.id)] = first.name

    def act(values: Values) -> Act:
        into = values["into_id"]
        return _merging(desk, asset, int(into), clean(others.names.get(into, ""), 40))

    field = Field(
        "into_id",
        "Into",
        "" if first is None else str(first.id),
        shown="" if first is None else asset_label(first),
        hint="What stays: part of a name or external id of another asset of this source type.",
        search=others,
        required=True,
    )
    return Form(
        f"Merge {named([asset])} (asset {asset.id})",
        (field,),
        act=act,
        says="Makes one asset of two, as after a new image or a new name. Its history follows into the other one.",
        go="Dry run",
    )
