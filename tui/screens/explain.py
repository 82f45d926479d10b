"""Where a figure comes from, level by level: sentences and assets, slots of an asset, raw readings of a slot.

Each level is a screen; ``enter`` goes down, ``esc`` up, ``e`` exports the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tui.cli.evidence import ASSET_COLUMNS, RAW_COLUMNS, SLOT_COLUMNS, asset_share_row, raw_row, slot_row
from tui.client import RUN_SECONDS_MAX, Page
from tui.desk import Desk
from tui.dialogs.shown import TextDialog
from tui.failures import sentence
from tui.format import clean, day, decimal, moment, money, number, quantity, stamp, text
from tui.messages import OpenAsset, ShowText
from tui.screens.billing_cells import FINALISED, Zones, figure
from tui.screens.listing import ListScreen, local_page
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import billing_pb2, closing_pb2, types_pb2

SENTENCE_CHARACTERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Level:
    """What of a reading is looked at: all of it, one asset of it, or one slot of that asset."""

    reading: billing_pb2.Reading
    asset_id: int = 0
    asset: str = ""
    slot: Timestamp | None = None


class GoDown(Message):
    """Show what is below this."""

    def __init__(self, level: Level) -> None:
        super().__init__()
        self.level = level


def _slots(measured: int) -> Text:
    return Text(f"{measured:,}", "" if measured else FAINT)


def asset_columns(reading: billing_pb2.Reading) -> Sequence[Column[closing_pb2.ExplainedAsset]]:
    """Shares are of the reading's cost."""
    is_final = reading.state == FINALISED
    return (
        Column("Asset", lambda a, now: text(a.name or f"asset {a.asset_id}"), 14, share=1, sort="name"),
        Column(
            "Quantity",
            lambda a, now: Text(quantity(a.quantity, reading.symbol)),
            15,
            right=True,
            sort="quantity",
        ),
        Column(
            "Share",
            lambda a, now: figure(a.share.amount, a.share.currency, is_final=is_final),
            14,
            right=True,
            sort="share",
        ),
        Column("Measured", lambda a, now: _slots(a.measured), 10, right=True, sort="measured"),
        Column("Absent", lambda a, now: _slots(a.absent), 8, right=True, sort="absent", above=70),
        Column(
            "Gap",
            lambda a, now: Text(f"{a.gap:,}", BAD if a.gap else FAINT),
            7,
            right=True,
            sort="gap",
            above=70,
        ),
    )


_SLOT_STATES = {
    "measured": ("measured", GOOD),
    "absent": ("absent (worth 0)", FAINT),
    "gap": ("gap (unknown)", BAD),
    "held": ("held (as before)", ATTENTION),
    "mixed": ("mixed series", ATTENTION),
}


def _state(slot: closing_pb2.ExplainedSlot) -> Text:
    words, style = _SLOT_STATES.get(slot.state, (clean(slot.state, 30), ""))
    return Text(f"{words}{', spread' if slot.spread else ''}", style)


SLOTS: Sequence[Column[closing_pb2.ExplainedSlot]] = (
    Column("Slot starts (UTC)", lambda s, now: Text(stamp(moment(s.start))[:16]), 18, sort="start"),
    Column("Steps", lambda s, now: Text(_steps(s.value)), 20, right=True, sort="value"),
    Column("State", lambda s, now: _state(s), 16, share=1, sort="state"),
    Column("Decides", lambda s, now: Text("◀ decides", "bold") if s.decides else Text(""), 9, sort="decides"),
)
RAW: Sequence[Column[closing_pb2.RawReading]] = (
    Column("Since", lambda r, now: Text(stamp(moment(r.since))[:16]), 16, above=100),
    Column("Read at (UTC)", lambda r, now: Text(_second(r.ticked_at)), 19, sort="ticked_at"),
    Column("Stored at (UTC)", lambda r, now: Text(_second(r.stored_at)), 19, sort="stored_at", above=70),
    Column("Agent", lambda r, now: text(r.agent), 10, share=1, sort="agent"),
    Column("Unit", lambda r, now: text(r.unit_type), 8, above=100),
    Column("Steps", lambda r, now: Text(number(r.value)), 18, right=True, sort="value"),
)


def _steps(value: str) -> str:
    found = decimal(value)
    return "—" if found is None else number(found)


def _second(at: Timestamp) -> str:
    """With seconds: ticks are that close."""
    found = moment(at)
    return "—" if found is None else f"{found:%Y-%m-%d %H:%M:%S}"


def _raw_text(raw: closing_pb2.RawReading) -> ShowText:
    """All of a raw reading: there is nothing below it."""
    lines = [
        f"Value      {number(raw.value)} steps of {clean(raw.unit_type, 60)}",
        f"Since      {_second(raw.since)} UTC",
        f"Read at    {_second(raw.ticked_at)} UTC",
        f"Stored at  {_second(raw.stored_at)} UTC",
        f"Agent      {clean(raw.agent, 200)}",
    ]
    return ShowText("Raw reading, as its agent sent it", lines, copies="\n".join(lines))


class ExplainScreen(ListScreen):
    """One level of an explanation; asks once and again only when billing ran or ``r`` is pressed."""

    NOUNS = frozenset({"reading"})
    MAIN = "billing"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "sentences", "Sentences"),
        Binding("a", "asset", "The asset", show=False),
    ]
    DEFAULT_CSS = """
    ExplainScreen #steps { height: auto; max-height: 45%; padding: 0 1; scrollbar-size-vertical: 1; }
    ExplainScreen #steps:focus { background: $panel; }
    """

    def __init__(self, desk: Desk, level: Level) -> None:
        super().__init__(desk)
        self.level = level
        self._zones = Zones(desk.aggregator)
        self._found: closing_pb2.Explanation | None = None
        self._stale = True
        self._crumbs = Crumbs("Billing")
        self._steps = Static(markup=False)

    def above(self) -> ComposeResult:
        """The way here, and the arithmetic in sentences."""
        yield self._crumbs
        with VerticalScroll(id="steps"):
            yield self._steps

    def make_list(self) -> ListTable[Any]:
        """What this level consists of."""
        level, reading = self.level, self.level.reading
        listing: Listing[Any]
        if level.slot is not None:
            listing = Listing(
                noun="raw readings",
                columns=RAW,
                fetch=self._fetch,
                key=lambda raw: (
                    raw.ticked_at.seconds,
                    raw.ticked_at.nanos,
                    raw.agent,
                    raw.unit_type,
                    raw.value,
                ),
                opens=_raw_text,
                empty="No raw readings of this slot are kept.",
                export=Export("raw readings", RAW_COLUMNS, raw_row),
            )
        elif level.asset_id:
            listing = Listing(
                noun="slots",
                columns=SLOTS,
                fetch=self._fetch,
                key=lambda slot: slot.start.seconds,
                opens=lambda slot: GoDown(replace(level, slot=slot.start)),
                empty="No slot of this asset has ended in the period.",
                export=Export("slots", SLOT_COLUMNS, slot_row),
            )
        else:
            listing = Listing(
                noun="assets",
                columns=asset_columns(reading),
                fetch=self._fetch,
                key=lambda asset: asset.asset_id,
                opens=lambda asset: GoDown(replace(level, asset_id=asset.asset_id, asset=asset.name)),
                empty="Nothing was bound: the cost is that of the terms alone.",
                export=Export("explained assets", ASSET_COLUMNS, asset_share_row),
            )
        return ListTable(listing, heading=listing.noun.capitalize(), clock=self.desk.clock)

    def on_mount(self) -> None:
        """The way here is known."""
        super().on_mount()
        self._draw_crumbs()
        self._steps.update(Text("… working it out"))

    def ask(self) -> None:
        """Anew, and not from what was answered before."""
        self._stale = True
        super().ask()

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Any], types_pb2.PageInfo]:
        if self._stale or self._found is None:
            self._found = await self._ask_explanation()
            self._stale = False
            self._show()
        found = self._found
        if self.level.slot is not None:
            return local_page(found.raw, page, search, "agent", "unit_type")
        if self.level.asset_id:
            return local_page(found.slots, page, search, "state")
        return local_page(found.assets, page, search, "name")

    async def _ask_explanation(self) -> closing_pb2.Explanation:
        level, aggregator = self.level, self.desk.aggregator
        await self._zones.learn([level.reading.client_id])
        request = closing_pb2.ExplainRequest(
            bucket_id=level.reading.bucket_id,
            first_day=day(moment(level.reading.period_start), self._zones[level.reading.client_id]),
            asset_id=level.asset_id,
            slot=level.slot,
        )
        return await aggregator.ask(aggregator.closing.Explain, request, seconds=RUN_SECONDS_MAX)

    def _draw_crumbs(self) -> None:
        level, reading = self.level, self.level.reading
        deep = bool(level.asset_id)
        of = reading.bucket_name if deep else f"{reading.client_name}/{reading.bucket_name}"
        steps = ["Billing", of, self._zones.days(reading)]
        steps.append((level.asset or f"asset {level.asset_id}") if deep else "Explain")
        if level.slot is not None:
            steps.append(stamp(moment(level.slot))[:16])
        self._crumbs.show(*steps)

    def _lines(self) -> list[Text]:
        """The basis first, then the sentences in the order of the arithmetic, then what to know besides."""
        found = self._found
        if found is None:
            return []
        of = found.reading if found.HasField("reading") else self.level.reading
        basis = (
            "from its evidence, as it was finalised" if found.from_evidence else "worked out now, not final"
        )
        lines = [Text(f"{money(of.cost, of.currency)}, {basis}", "bold")]
        if self.level.asset_id:
            lines[0] = Text(f"A part of {lines[0].plain}", "bold")
        else:
            lines += [
                Text(f"{place}. {clean(step, SENTENCE_CHARACTERS_MAX)}")
                for place, step in enumerate(found.steps, start=1)
            ]
        if self.level.slot is not None or self.level.asset_id:
            lines.append(
                Text("Values are in steps of the unit type, whole numbers as they were read.", FAINT)
            )
        lines += [
            Text(f"! {clean(sentence(note), SENTENCE_CHARACTERS_MAX)}", ATTENTION) for note in found.notes
        ]
        return lines

    def _show(self) -> None:
        if not self.is_attached:
            return
        self._draw_crumbs()
        self._steps.update(Text("\n").join(self._lines()))

    @on(GoDown)
    def _go_down(self, message: GoDown) -> None:
        _ = self.app.push_screen(ExplainScreen(self.desk, message.level))

    def action_sentences(self) -> None:
        """All of them, where they have the whole screen; y copies them there."""
        lines = self._lines()
        if not lines:
            self.say("It is still being worked out.")
            return
        title = f"Explain {self.level.reading.client_name}/{self.level.reading.bucket_name}"
        copied = "\n".join(line.plain for line in lines)
        _ = self.app.push_screen(TextDialog(title, lines, copies=copied))

    def action_asset(self) -> None:
        """The asset itself, with its usage and bindings."""
        row = self.table.table.current
        if self.level.asset_id:
            self.post_message(OpenAsset(self.level.asset_id, self.level.asset))
        elif row is not None:
            self.post_message(OpenAsset(row.asset_id, row.name))
        else:
            self.say("No asset is under the cursor.")
