"""What people do with buckets on any screen that shows some: look at, edit, give new terms, end, and ask what if."""

from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, Values
from tui.failures import CallFailed
from tui.format import clean, plural
from tui.screens.bucket_forms import bucket_form, edit_form, source_types, unit_types
from tui.screens.bucket_terms import ACT_SECONDS_MAX, terms_form
from tui.screens.given import read_day
from tui.screens.listing import ListScreen
from tui.screens.what_if import open_what_if
from ullage.v1 import agreements_pb2, asset_acts_pb2, inventory_pb2

Bucket = inventory_pb2.Bucket


def review(desk: Desk, buckets: Sequence[Bucket]) -> Act:
    """Somebody has looked at those that nobody had; when somebody had at all of them, takes that back."""
    fresh = [bucket for bucket in buckets if not bucket.reviewed]
    reviewed = bool(fresh)
    concerned = fresh or list(buckets)
    what = _what(concerned)

    async def call(trial: Trial) -> asset_acts_pb2.ActReply:
        request = agreements_pb2.ReviewBucketsRequest(
            ids=[bucket.id for bucket in concerned], reviewed=reviewed
        )
        return await desk.aggregator.ask(desk.aggregator.inventory.ReviewBuckets, request)

    done = f"{what}: reviewed." if reviewed else f"{what}: to be looked at again."
    # Costs nothing, and the same key takes it back.
    return Act(f"Review {what}", call, dry=False, asks=False, done=lambda reply: done)


def set_enabled_form(desk: Desk, buckets: Sequence[Bucket]) -> Form:
    """Ends those that are enabled at a local midnight; when none is, has all of them go on from one."""
    running = [bucket for bucket in buckets if bucket.enabled]
    enabled = not running
    concerned = running or list(buckets)
    what = _what(concerned)
    verb = "Enable" if enabled else "Disable"

    def act(values: Values) -> Act:
        on = read_day(values, "on")

        async def call(trial: Trial) -> asset_acts_pb2.ActReply:
            request = agreements_pb2.SetBucketsEnabledRequest(
                ids=[bucket.id for bucket in concerned], enabled=enabled, on=on, dry_run=trial.dry_run
            )
            return await desk.aggregator.ask(
                desk.aggregator.inventory.SetBucketsEnabled, request, seconds=ACT_SECONDS_MAX
            )

        from_when = f"from {on} on" if on else "from the next local midnight on"
        return Act(
            f"{verb} {what} {from_when}",
            call,
            undoable=False,
            done=lambda reply: f"{what}: {verb.lower()}d {from_when}. x sets it back.",
        )

    return Form(
        title=f"{verb} {what}",
        says=(
            "Its last terms hold again from that midnight on."
            if enabled
            else "Terms end at that midnight. What was used before stays billed; what is used after is billed to nobody."
        ),
        fields=[Field("on", "On", "", "A local midnight, 2026-01-31. Empty: the next one.")],
        act=act,
    )


def _what(buckets: Sequence[Bucket]) -> str:
    return clean(buckets[0].name, 50) if len(buckets) == 1 else plural(len(buckets), "bucket")


class BucketActs(ListScreen):
    """Keys for the buckets chosen; ``chosen_buckets`` says which."""

    NEEDS: ClassVar[dict[str, str]] = {
        "review": "Inventory/ReviewBuckets",
        "set_enabled": "Inventory/SetBucketsEnabled",
        "new_bucket": "Inventory/CreateBucket",
        "edit": "Inventory/UpdateBucket",
        "new_terms": "Inventory/SetTerms",
        "what_if": "Analysis/WhatIf",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new_bucket", "New"),
        Binding("A", "review", "Reviewed"),
        Binding("T", "new_terms", "Terms"),
        Binding("w", "what_if", "What-if"),
        Binding("E", "edit", "Edit"),
        Binding("x", "set_enabled", "Disable / enable", show=False),
    ]

    def chosen_buckets(self) -> Sequence[Bucket]:
        """Those that an act is for; where there is none, says so."""
        return self.chosen()

    def one_bucket(self) -> Bucket | None:
        """For what is done to one at a time: says so where several are marked."""
        buckets = self.chosen_buckets()
        if len(buckets) > 1:
            self.say(f"{len(buckets):,} buckets are marked; this is done to one at a time: esc unmarks.")
            return None
        return buckets[0] if buckets else None

    def client_of_new(self) -> int:
        """The client for which a new bucket is most likely meant; 0: not known."""
        current = self.table.table.current
        return current.client_id if isinstance(current, Bucket) else 0

    def action_review(self) -> None:
        """Marks as looked at."""
        buckets = self.chosen_buckets()
        if buckets:
            self.perform(review(self.desk, buckets))

    def action_set_enabled(self) -> None:
        """From a local midnight on."""
        buckets = self.chosen_buckets()
        if buckets:
            self.fill(set_enabled_form(self.desk, buckets))

    @work(exclusive=True, group="prepare")
    async def action_new_bucket(self) -> None:
        """A form, filled as well as can be guessed."""
        number = self.client_of_new()
        try:
            client = await self.desk.aggregator.client(number) if number else None
            sources, units = await source_types(self.desk), await unit_types(self.desk)
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        self.fill(bucket_form(self.desk, client=client, sources=sources, units=units))

    def action_edit(self) -> None:
        """Name, filters, priority."""
        bucket = self.one_bucket()
        if bucket is not None:
            self._edit(bucket.id)

    @work(exclusive=True, group="prepare")
    async def _edit(self, bucket_id: int) -> None:
        try:
            bucket = await self.desk.aggregator.bucket(bucket_id)
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        self.fill(edit_form(self.desk, bucket))

    def action_new_terms(self) -> None:
        """From a day on, prefilled from those in force."""
        bucket = self.one_bucket()
        if bucket is not None:
            self.open_terms(bucket.id)

    @work(exclusive=True, group="prepare")
    async def open_terms(self, bucket_id: int, *, starts_on: str = "") -> None:
        """The form for new terms; with ``starts_on`` for those that start then."""
        try:
            bucket = await self.desk.aggregator.bucket(bucket_id)
            client = await self.desk.aggregator.client(bucket.client_id)
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        held = next((one for one in bucket.all_terms if one.starts_on == starts_on), None)
        self.fill(terms_form(self.desk, bucket, client, terms=held, starts_on=starts_on if held else ""))

    async def action_what_if(self) -> None:
        """What other terms would have cost."""
        bucket = self.one_bucket()
        if bucket is not None:
            await open_what_if(self, bucket_id=bucket.id, name=f"{bucket.client_name} › {bucket.name}")
