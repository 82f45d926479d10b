"""Forms for making a bucket and for changing what it is called and what it takes."""

from collections.abc import Sequence

from tui.client import AssetQuery, Page
from tui.client.pages import PAGE_ROWS_MAX
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field, Found
from tui.dialogs.form import Form, FormError, Values
from tui.format import clean, day, moment
from tui.screens.asset_search import Clients
from tui.screens.bucket_terms import ACT_SECONDS_MAX, Terms, read_terms, terms_fields
from tui.screens.given import FILTER_HINT, among, filters_words, read_filters, read_whole
from ullage.v1 import agreements_pb2, inventory_pb2

Bucket = inventory_pb2.Bucket
Client = inventory_pb2.Client
PRIORITY_MAX = 1_000_000
PRIORITY_HINT = "Where two buckets match, the higher takes it."


async def source_types(desk: Desk) -> list[Found]:
    """Those that assets, buckets and templates have, in order. Raises ``CallFailed``."""
    aggregator = desk.aggregator
    page = Page(size=PAGE_ROWS_MAX)
    assets = await aggregator.assets(page, AssetQuery())
    buckets = await aggregator.buckets(page)
    units = await aggregator.ask(aggregator.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())
    names = {
        *(asset.source_type for asset in assets.assets),
        *(bucket.source_type for bucket in buckets.buckets),
        *(template.source_type for unit in units.unit_types for template in unit.templates),
    }
    return [(name, name) for name in sorted(names - {""})]


async def unit_types(desk: Desk) -> list[Found]:
    """All there are, with symbol and description. Raises ``CallFailed``."""
    aggregator = desk.aggregator
    reply = await aggregator.ask(aggregator.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())
    return [
        (unit.name, f"{unit.name}  {unit.symbol}  {unit.description}")
        for unit in sorted(reply.unit_types, key=lambda unit: unit.name)
    ]


def bucket_form(
    desk: Desk, *, client: Client | None, sources: Sequence[Found], units: Sequence[Found]
) -> Form:
    """A new bucket. Its first terms start with the open period of ``client``, or with the month where none is meant."""

    start = f"{desk.clock():%Y-%m}-01"
    if client is not None and moment(client.period_start) is not None:
        start = day(moment(client.period_start), client.time_zone)
    fields = [
        Field(
            "client_id",
            "Client",
            str(client.id) if client else "",
            "Whose bucket: a part of the name.",
            search=Clients(desk),
            shown=clean(client.name) if client else "",
            required=True,
        ),
        Field("name", "Name", "", "What it is called on bills, such as web memory.", required=True),
        Field(
            "source_type",
            "Source type",
            "",
            "What kind of assets: a part of vm, volume, interface …",
            search=among(sources, others=True),
            required=True,
        ),
        Field(
            "unit_type",
            "Unit type",
            "",
            "What is counted: a part of its name.",
            search=among(units),
            required=True,
        ),
        Field("filters", "Filters", "", FILTER_HINT),
        *terms_fields(Terms(), starts_on=start, currency=client.currency if client else ""),
        Field("priority", "Priority", "0", PRIORITY_HINT),
    ]

    def act(values: Values) -> Act:
        return create_bucket(desk, values)

    return Form(
        title="New bucket",
        says="ctrl+s shows what it would take and cost before it is made.",
        fields=fields,
        act=act,
    )


def create_bucket(desk: Desk, values: Values, *, then: str = "") -> Act:
    """Makes it of the fields of ``new_form``; ``then`` says what is still to be done. Raises ``FormError``."""
    terms = read_terms(values)
    filters = read_filters(values, "filters")
    priority = read_whole(values, "priority", least=-PRIORITY_MAX, most=PRIORITY_MAX) or 0
    name = values["name"]

    async def call(trial: Trial) -> inventory_pb2.CreateBucketReply:
        request = inventory_pb2.CreateBucketRequest(
            client_id=int(values["client_id"]),
            name=name,
            source_type=values["source_type"],
            unit_type=values["unit_type"],
            priority=priority,
            filters=filters,
            terms=terms,
            dry_run=trial.dry_run,
            confirmed_assets=trial.confirmed,
        )
        return await desk.aggregator.ask(
            desk.aggregator.inventory.CreateBucket, request, seconds=ACT_SECONDS_MAX
        )

    return Act(
        f"Make the bucket {clean(name, 50)}",
        call,
        undoable=False,
        warns=then,
        done=lambda reply: " ".join(filter(None, (f"The bucket {clean(name, 50)} was made.", then))),
    )


def edit_form(desk: Desk, bucket: Bucket) -> Form:
    """Name, filters and priority; commit and prices are terms."""
    fields = [
        Field("name", "Name", clean(bucket.name), "What it is called on bills.", required=True),
        Field("filters", "Filters", filters_words(bucket.filters), FILTER_HINT),
        Field("priority", "Priority", str(bucket.priority), PRIORITY_HINT, required=True),
    ]

    def act(values: Values) -> Act:
        return _update(desk, bucket, values)

    return Form(
        title=f"Edit {clean(bucket.name, 60)}",
        says=(
            f"Of {clean(bucket.client_name, 60)}: {clean(bucket.unit_type, 30)} of {clean(bucket.source_type, 30)}. "
            "Commit and prices are terms: T."
        ),
        fields=fields,
        act=act,
    )


def _update(desk: Desk, bucket: Bucket, values: Values) -> Act:
    filters = read_filters(values, "filters")
    priority = read_whole(values, "priority", least=-PRIORITY_MAX, most=PRIORITY_MAX)
    renamed = values["name"] != clean(bucket.name)
    refiltered = filters != list(bucket.filters)
    if not renamed and not refiltered and priority == bucket.priority:
        raise FormError("name", "Nothing is different yet: change the name, the filters or the priority.")

    async def call(trial: Trial) -> inventory_pb2.UpdateBucketReply:
        request = agreements_pb2.UpdateBucketRequest(
            id=bucket.id,
            name=values["name"] if renamed else None,
            priority=None if priority == bucket.priority else priority,
            filters=filters if refiltered else (),
            set_filters=refiltered,
            dry_run=trial.dry_run,
            confirmed_assets=trial.confirmed,
        )
        return await desk.aggregator.ask(
            desk.aggregator.inventory.UpdateBucket, request, seconds=ACT_SECONDS_MAX
        )

    # The reply has no audit group, yet names, filters and priorities are among what undo takes back.
    return Act(
        f"Change {clean(bucket.name, 50)}",
        call,
        undoable=False,
        done=lambda reply: f"{clean(values['name'], 50)} was changed. z takes it back.",
    )
