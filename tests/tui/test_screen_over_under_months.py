"""Over/Under by months: the month on view is the cursor of the trend, by keys and by the mouse; one currency at a time."""

from tests.tui.driving import driven
from tests.tui.scripted import Scripted
from tests.tui.test_screen_over_under import Asked, money, opened
from tui.widgets.chart_trend import TrendChart
from ullage.v1 import analysis_pb2


async def test_the_month_is_the_cursor_of_the_trend(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("comma")
        await driver.see("Sep 2026", "Trend  Sep 2026")
        assert aggregator.asked(Asked)[-1].month == "2026-09"
        await driver.press("full_stop", "full_stop")
        await driver.see("Oct 2026 is the newest that is shown here.")
        await driver.press("p")
        await driver.see("Period (reporting month)", "the last full month")
        await driver.press("j", "j", "j", "enter")
        await driver.see("Trend  Aug 2026")
        assert aggregator.asked(Asked)[-1].month == "2026-08"


async def test_a_click_on_a_column_of_the_trend_shows_that_month(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        chart = driver.app.screen.query_one(TrendChart)
        line = next(text for text in str(chart.render()).splitlines() if "Mar" in text)
        await driver.pilot.click(TrendChart, offset=(1 + line.index("Mar"), 3))
        await driver.see("Trend  Mar 2026")
        assert aggregator.asked(Asked)[-1].month == "2026-03"
        await driver.pilot.click(TrendChart, offset=(1 + line.index("Nov"), 3))
        await driver.see("Oct 2026 is the newest that is shown here.")


async def test_older_months_are_asked_for_with_the_trend_that_holds_them(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412")
        driver.app.desk.month = "2025-06"
        await driver.press("8")
        await driver.see("Trend  Jun 2025", "▼ buffer EUR 700.00")
    assert aggregator.asked(analysis_pb2.GetTrendRequest)[-1].months == 18


async def test_the_trend_is_of_one_currency_after_the_other(aggregator: Scripted) -> None:
    aggregator.script.answers["GetTrend"] = analysis_pb2.Trend(
        points=[
            analysis_pb2.TrendPoint(
                month="2026-10",
                overage=money(amount, currency),
                buffer=money("0", currency),
                cost=money(amount, currency),
            )
            for amount, currency in (("12.00", "EUR"), ("90000", "JPY"))
        ]
    )
    async with driven(aggregator) as driver:
        await driver.press("8")
        await driver.see("▲ overage EUR 12.00")
        await driver.press("c")
        await driver.see("▲ overage JPY 90,000")


async def test_a_currency_that_another_screen_chose_comes_first_and_is_read_from_its_first_row_on(
    aggregator: Scripted,
) -> None:
    row = analysis_pb2.OverUnderRow
    aggregator.script.answers["GetOverUnder"] = analysis_pb2.OverUnder(
        rows=[
            *(
                row(client_id=n, client_name=f"Euro {n:02d}", cost=money("1.00"), overage=money(f"{99 - n}"))
                for n in range(1, 31)
            ),
            *(
                row(
                    client_id=n,
                    client_name=f"Yen {n}",
                    cost=money("1", "JPY"),
                    overage=money(f"{99 - n}", "JPY"),
                )
                for n in range(41, 44)
            ),
        ],
        overage=[money("1.00"), money("1", "JPY")],
        buffer=[money("1.00"), money("1", "JPY")],
    )
    async with driven(aggregator) as driver:
        await driver.press("8")
        await driver.see("Euro 01")
        driver.app.desk.currencies[:] = ["EUR", "JPY"]
        driver.app.desk.currency = "EUR"
        await driver.press("1", "8")
        await driver.see("Euro 01")
        await driver.press("1", "c", "8")
        await driver.see("Yen 41", "Yen 43", "Euro 01")
        await driver.press("c")
        await driver.see("Euro 01", "Euro 02")


async def test_sums_of_currencies_for_which_there_is_no_room_are_counted(aggregator: Scripted) -> None:
    codes = ("EUR", "GBP", "JPY", "USD")
    aggregator.script.answers["GetOverUnder"] = analysis_pb2.OverUnder(
        rows=[analysis_pb2.OverUnderRow(client_id=1, client_name="One", cost=money("1.00"))],
        overage=[money("1749.21", code) for code in codes],
        buffer=[money("2732.40", code) for code in codes],
    )
    aggregator.script.answers["GetTrend"] = analysis_pb2.Trend()
    async with driven(aggregator) as driver:
        await driver.press("8")
        await driver.see("EUR ▲ 1,749.21 ▼ 2,732.40", "GBP ▲ 1,749.21 ▼ 2,732.40", "+2 currencies")
        driver.app.desk.currencies[:] = list(codes)
        driver.app.desk.currency = "GBP"
        await driver.press("c")
        await driver.see("JPY ▲ 1,749.21 ▼ 2,732.40", "EUR ▲ 1,749.21 ▼ 2,732.40", "+2 currencies")
    async with driven(aggregator, size=(140, 40)) as driver:
        await driver.press("8")
        await driver.see(*(f"{code} ▲ 1,749.21 ▼ 2,732.40" for code in codes))
        await driver.press("v", "v", "v")
        await driver.see("Total buffer this period: EUR 2,732.40", "USD 2,732.40")
