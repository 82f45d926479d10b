"""What all screens about money share: one reporting month and one currency, chosen once for all of them."""

from datetime import datetime
from typing import ClassVar

from textual import events, on, work
from textual.binding import Binding, BindingType

from tui.dialogs.choose import Choice, ChooseDialog
from tui.format import month_name
from tui.screens.live import LiveScreen

MONTHS_OFFERED = 36
# In the dialog: no month chosen. An empty value cannot be told from none.
_NEWEST = "newest"


def month_of(at: datetime, back: int = 0) -> str:
    """``YYYY-MM`` of a time, so many months earlier."""
    return moved(f"{at:%Y-%m}", -back)


def moved(month: str, by: int) -> str:
    """So many months later, or earlier below 0."""
    year, _, number = month.partition("-")
    count = int(year) * 12 + int(number) - 1 + by
    return f"{count // 12}-{count % 12 + 1:02d}"


class MoneyScreen(LiveScreen):
    """Shows the month and the currency of the desk. ``NEWEST`` says what it shows while no month is chosen."""

    NEWEST: ClassVar[str] = "the present month"
    # How many months before the present one the newest is that it can show.
    NEWEST_BACK: ClassVar[int] = 0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "period", "Period"),
        Binding("comma", "step_period(-1)", "Period before", key_display=",", show=False),
        Binding("full_stop", "step_period(1)", "Period after", key_display=".", show=False),
        Binding("c", "currency", "Currency", show=False),
    ]

    # Of which this screen was drawn last; another screen may choose another one.
    _currency_drawn = ""

    @on(events.ScreenResume)
    def _follow_currency(self) -> None:
        drawn, self._currency_drawn = self._currency_drawn, self.desk.currency
        if drawn and drawn != self.desk.currency:
            self.currency_changed()

    @property
    def month(self) -> str:
        """The month on view."""
        return self.desk.month or month_of(self.desk.clock(), self.NEWEST_BACK)

    @property
    def month_words(self) -> str:
        """``Oct 2026``."""
        return month_name(self.month)

    @work(group="period")
    async def action_period(self) -> None:
        """One of the last three years."""
        now = self.desk.clock()
        months = [month_of(now, back) for back in range(self.NEWEST_BACK, MONTHS_OFFERED)]
        choices = [Choice(_NEWEST, self.NEWEST)]
        choices += [Choice(month, month_name(month)) for month in months]
        found = await self.app.push_screen_wait(
            ChooseDialog("Period (reporting month)", choices, at=self.desk.month or _NEWEST)
        )
        if found is not None:
            self._show_month("" if found == _NEWEST else found)

    def action_step_period(self, step: int) -> None:
        """One month on or back; never beyond the newest."""
        month = moved(self.month, step)
        newest = month_of(self.desk.clock(), self.NEWEST_BACK)
        if month > newest:
            self.say(f"{month_name(newest)} is the newest that is shown here.")
            return
        self._show_month("" if month == newest else month)

    def _show_month(self, month: str) -> None:
        self.desk.month = month
        self.month_changed()

    def month_changed(self) -> None:
        """The figures are of another month: asks for them."""
        self.action_refetch()

    def action_currency(self) -> None:
        """Money is never added over currencies: one after the other."""
        if len(self.desk.currencies) < 2:
            self.say("All money is in one currency.")
            return
        self._currency_drawn = self.desk.next_currency()
        self.currency_changed()

    def currency_changed(self) -> None:
        """Charts and sums are of another currency."""
        self.action_refetch()
