"""What the last readings would have cost under other terms, of one bucket, one client or all; asked anew at each figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static

from tui.client import RUN_SECONDS_MAX, Page
from tui.desk import Desk
from tui.dialogs.fields import Field, FieldInput, Hint, Next, TextField
from tui.failures import CallFailed, sentence
from tui.format import clean, day, quantity, text
from tui.screens.bucket_terms import terms_form
from tui.screens.listing import ListScreen, local_page
from tui.screens.live import LiveScreen
from tui.screens.what_if_figures import (
    COLUMNS_EXPORTED,
    READINGS_MAX,
    Line,
    agreed_words,
    changed_terms,
    line_row,
    lines_of,
    read_figures,
    sums_of,
)
from tui.theme import FAINT
from tui.widgets.frame import Crumbs, KeyLine, NavBar, StatusBar
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from tui.widgets.usage_bar import BeforeAfterBars, difference
from ullage.v1 import agreements_pb2, analysis_pb2, types_pb2

# Between the last key of a figure and the question to the aggregator.
TYPING_SECONDS = 0.4
NOTHING_ASKED = (
    "Give another commit or price above, or a change such as -10%.\n\nNothing is changed by asking."
)
NOT_READ = "Nothing is worked out while a figure cannot be read."
NO_READINGS = "No readings to compare with: what-if looks at periods that have ended and were billed."


@dataclass
class Narrow(Message):
    """Look at one bucket alone, with the same figures."""

    line: Line


async def open_what_if(
    screen: LiveScreen, *, bucket_id: int = 0, client_id: int = 0, name: str = "", commit: str = ""
) -> None:
    """Opens what-if over ``screen``: of a bucket, of a client, or with neither of all.

    ``name`` is what it is about, for the title; ``commit`` a first figure, such as that of a right-size row.
    """
    refusal = screen.desk.refusal("Analysis/WhatIf")
    if refusal:
        screen.say(refusal)
        return
    figures = {"commit": commit} if commit else {}
    opened = WhatIfScreen(
        screen.desk, bucket_id=bucket_id, client_id=client_id, name=name, main=screen.MAIN, figures=figures
    )
    await screen.app.push_screen(opened)


def _amount(value: Decimal, style: str = "") -> Text:
    return Text(f"{value:,f}", style)


_MONEY: Sequence[Column[Line]] = (
    Column("Before", lambda w, now: _amount(w.before), 12, right=True, sort="before", above=70),
    Column("After", lambda w, now: _amount(w.after, "bold"), 12, right=True, sort="after"),
    Column(
        "Difference",
        lambda w, now: difference(w.before, w.after, w.currency),
        22,
        right=True,
        sort="difference",
    ),
)
BY_BUCKET: Sequence[Column[Line]] = (
    Column("Client", lambda w, now: text(w.client_name), 10, share=1, sort="client_name"),
    Column("Bucket", lambda w, now: text(w.bucket_name), 10, share=1, sort="bucket_name"),
    Column("Readings", lambda w, now: Text(f"{w.readings:,}", FAINT), 8, right=True, above=90),
    *_MONEY,
)


def by_reading(zone: Callable[[], str], symbol: Callable[[], str]) -> Sequence[Column[Line]]:
    """``zone``: where the days of the bucket's client begin; ``symbol``: what its quantities count."""
    return (
        Column(
            "Period from",
            lambda w, now: Text(day(w.period_start, zone())),
            11,
            share=1,
            sort="period_start",
        ),
        Column(
            "Quantity",
            lambda w, now: Text(quantity(w.quantity, symbol(), short=True)),
            14,
            right=True,
            sort="quantity",
            above=80,
        ),
        *_MONEY,
    )


class FigureInput(Input):
    """Takes figures, never letters: the one key that acts on them goes to the screen."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """All that can be typed but ``T``."""
        return character != "T" and super().check_consume_key(key, character)


class FigureField(TextField):
    """A figure, or a change in per cent."""

    def compose(self) -> ComposeResult:
        """One line."""
        yield self.label()
        yield FigureInput(
            self.field.value, compact=True, max_length=40, classes="field-input", select_on_focus=False
        )


class WhatIfScreen(ListScreen):
    """Figures above, what they would have meant below. Follows no news: only what is asked is worked out."""

    NEEDS: ClassVar[dict[str, str]] = {"take_terms": "Inventory/SetTerms"}
    # In front of the fields, which take figures and never letters.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "take_terms", "Take as terms", priority=True),
        Binding("ctrl+s", "to_rows", "To the rows", show=False),
        Binding("down", "next_field", "Next field", show=False),
        Binding("up", "previous_field", "Previous field", show=False),
    ]
    DEFAULT_CSS = """
    WhatIfScreen { #what-if-fields { height: auto; padding: 0 1; }
                   #what-if-hint { height: auto; max-height: 3; padding: 0 1; color: $foreground 70%; }
                   #what-if-hint.-failed { color: $error; } }
    """

    def __init__(
        self,
        desk: Desk,
        *,
        bucket_id: int = 0,
        client_id: int = 0,
        name: str = "",
        main: str = "",
        figures: dict[str, str] | None = None,
    ) -> None:
        super().__init__(desk)
        self._bucket_id = bucket_id
        self._client_id = client_id
        self._about = name or "all buckets"
        self._main = main
        self._first = dict(figures or {})
        self._typing: Timer | None = None
        # The figures of the last question; those that it is opened with are asked when it comes on view.
        self._asked: dict[str, str] = {}
        # Of the bucket's client, and of the bucket; empty: not asked yet.
        self._zone = self._symbol = ""
        # What belongs in the field that has the focus.
        self._hinted = ""

    def frame(self) -> tuple[NavBar, StatusBar, KeyLine]:
        """Belongs to the main screen that it was opened from."""
        _, status, keys = super().frame()
        return NavBar(self._main), status, keys

    def above(self) -> ComposeResult:
        """Four figures, and the sums."""
        given = self._first
        either = "A figure, or a change such as -10%. Empty: as it was agreed."
        usual = self._usual()
        yield Crumbs("What-if", self._about)
        with Vertical(id="what-if-fields"):
            yield FigureField(Field("commit", "Commit", given.get("commit", ""), either))
            yield FigureField(Field("base", "Base price", given.get("base", ""), either))
            yield FigureField(Field("overage", "Overage price", given.get("overage", ""), either))
            hint = f"How many of the last readings of each bucket, 1 to {READINGS_MAX}. Empty: {usual}."
            yield FigureField(Field("readings", "Last readings", given.get("readings", ""), hint))
        yield Static(id="what-if-hint", markup=False)
        yield BeforeAfterBars()

    def _usual(self) -> int:
        return 12 if self._bucket_id or self._client_id else 1

    def make_list(self) -> ListTable[Any]:
        """Readings of the bucket, or buckets."""
        listing: Listing[Line] = Listing(
            noun="readings" if self._bucket_id else "buckets",
            columns=by_reading(lambda: self._zone, lambda: self._symbol) if self._bucket_id else BY_BUCKET,
            fetch=self._fetch,
            key=lambda line: (line.bucket_id, line.currency, line.period_start),
            opens=lambda line: None if self._bucket_id else Narrow(line),
            empty=NOTHING_ASKED,
            export=Export("what-if", COLUMNS_EXPORTED, line_row),
        )
        heading = "By period" if self._bucket_id else "By bucket"
        return ListTable(listing, heading=heading, clock=self.desk.clock)

    def on_mount(self) -> None:
        """In the first figure."""
        super().on_mount()
        self.query_one(BeforeAfterBars).display = False
        self.query(FigureField).last().query_one(Input).placeholder = str(self._usual())
        self._asked = self.figures
        self.query(FieldInput).first().take_focus()

    @property
    def figures(self) -> dict[str, str]:
        """As they stand in the fields."""
        return {one.field.name: one.value for one in self.query(FieldInput)}

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Line], types_pb2.PageInfo]:
        bars = self.query_one(BeforeAfterBars)
        await self._know_bucket()
        self._asked = figures = self.figures
        try:
            terms, percents, readings = read_figures(figures)
        except CallFailed as error:
            bars.show_sums([])
            self._empty(NOT_READ)
            self._hint(f"✖ {error}")
            return [], types_pb2.PageInfo()
        self._hint(self._hinted)
        if not percents and terms == agreements_pb2.Terms():
            bars.show_sums([])
            self._empty(NOTHING_ASKED)
            return [], types_pb2.PageInfo()
        request = analysis_pb2.WhatIfRequest(
            bucket_id=self._bucket_id,
            client_id=self._client_id,
            terms=terms,
            readings=readings,
            **percents,
        )
        reply = await self.desk.aggregator.ask(
            self.desk.aggregator.analysis.WhatIf, request, seconds=RUN_SECONDS_MAX
        )
        self._empty(NO_READINGS)
        bars.show_sums(sums_of(reply))
        if reply.notes:
            self._hint(" ".join(sentence(note) for note in reply.notes))
        lines = lines_of(reply.rows, by_reading=bool(self._bucket_id))
        return local_page(lines, page, search, "bucket_name", "client_name")

    async def _know_bucket(self) -> None:
        """What is agreed now stands in the fields that are empty."""
        if not self._bucket_id or self._zone:
            return
        bucket = await self.desk.aggregator.bucket(self._bucket_id)
        self._zone = (await self.desk.aggregator.client(bucket.client_id)).time_zone
        self._symbol = bucket.symbol
        agreed = agreed_words(bucket)
        for one in self.query(FigureField):
            if one.field.name in agreed:
                one.query_one(Input).placeholder = agreed[one.field.name]

    def _empty(self, words: str) -> None:
        self.table.listing = replace(self.table.listing, empty=words)

    def _hint(self, words: str) -> None:
        hint = self.query_one("#what-if-hint", Static)
        hint.set_class(words.startswith("✖"), "-failed")
        hint.update(Text(clean(words or " ", 400)))

    # The fields.

    @on(Hint)
    def _field_hint(self, message: Hint) -> None:
        message.stop()
        self._hinted = message.text
        self._hint(message.text)

    @on(Input.Changed)
    def _figure_typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._typing is not None:
            self._typing.stop()
        # A field says so too when it gets the figure that it is opened with, and what was taken back is no question.
        if self.figures != self._asked:
            self._typing = self.set_timer(TYPING_SECONDS, self.table.restart)

    @on(Next)
    def _next(self, message: Next) -> None:
        message.stop()
        self.action_next_field()

    def _step(self, step: int) -> None:
        fields = list(self.query(FieldInput))
        here = next((i for i, one in enumerate(fields) if one.has_focus_within), len(fields))
        if here + step >= len(fields):
            self.action_to_rows()
        elif here + step >= 0:
            fields[here + step].take_focus()

    def action_next_field(self) -> None:
        """To the figure below; below the last to the rows."""
        self._step(1)

    def action_previous_field(self) -> None:
        """To the figure above."""
        self._step(-1)

    def action_to_rows(self) -> None:
        """To what it would have meant, where the keys of lists work."""
        self.table.focus_rows()

    # What follows from it.

    @on(Narrow)
    async def _narrow(self, message: Narrow) -> None:
        message.stop()
        line = message.line
        await self.app.push_screen(
            WhatIfScreen(
                self.desk,
                bucket_id=line.bucket_id,
                name=f"{line.client_name} › {line.bucket_name}",
                main=self._main,
                figures=self.figures,
            )
        )

    @work(exclusive=True, group="take")
    async def action_take_terms(self) -> None:
        """New terms for the bucket with these figures, in the form that shows what they would do."""
        current = self.table.table.current
        number = self._bucket_id or (current.bucket_id if current is not None else 0)
        if not number:
            self.say("There is no bucket under the cursor to take these terms.")
            return
        try:
            bucket = await self.desk.aggregator.bucket(number)
            client = await self.desk.aggregator.client(bucket.client_id)
            terms = changed_terms(bucket.terms, self.figures)
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        if terms == bucket.terms:
            self.say(f"Nothing is different for {clean(bucket.name, 60)}: give a figure first.")
            return
        self.fill(terms_form(self.desk, bucket, client, terms=terms))
