"""Names and texts that agents, files or people supply: on no billing screen do they act on the terminal or break it."""

import unicodedata

import pytest

from tests.tui import builders, estate_billing
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Script, Scripted
from tui.messages import OpenPeriod, OpenReading
from ullage.v1 import billing_pb2, closing_pb2, types_pb2
from ullage.wire import from_time

SIZES = [(60, 20), (140, 40)]


@pytest.fixture
def script() -> Script:
    """Every text of periods, readings, items and explanations is hostile, each row in another way."""
    script = Script()
    for number, name in enumerate(builders.HOSTILE, start=1):
        of = builders.client(number, name, currency=name[:3])
        bucket = builders.bucket(
            number, name, of, source_type=name, unit_type=name, symbol=name, currency=name[:3]
        )
        script.clients.append(of)
        script.buckets.append(bucket)
        script.readings += [builders.reading(bucket, back) for back in range(3)]
    estate_billing.furnish(script)
    for reading in script.readings:
        reading.segments[0].fraction = builders.HOSTILE[2]
    hostile = builders.HOSTILE
    script.answers["GetChecklist"] = closing_pb2.Checklist(
        items=[
            closing_pb2.CheckItem(
                kind=name, subject=name, text=name, open=True, acknowledged_by=name, reason=name
            )
            for name in hostile
        ]
    )
    script.answers["Explain"] = closing_pb2.Explanation(
        steps=hostile,
        notes=hostile,
        assets=[
            closing_pb2.ExplainedAsset(
                asset_id=number, name=name, quantity=name, share=types_pb2.Money(currency=name, amount=name)
            )
            for number, name in enumerate(hostile, start=1)
        ],
        slots=[
            closing_pb2.ExplainedSlot(start=from_time(builders.ago(hours=number)), value=name, state=name)
            for number, name in enumerate(hostile, start=1)
        ],
        raw=[closing_pb2.RawReading(agent=name, unit_type=name, value=7) for name in hostile],
    )
    _late(script)
    run = billing_pb2.Run(
        id=1, job="billing", state="failed", error=hostile[4] + hostile[0], counts={hostile[2]: 3}
    )
    script.jobs = [builders.job("billing", hostile[0])]
    script.jobs[0].last_run.CopyFrom(run)
    return script


def _late(script: Script) -> None:
    """What came late, and what is verified."""
    hostile = builders.HOSTILE
    script.answers["ListAdjustments"] = closing_pb2.ListAdjustmentsReply(
        adjustments=[
            closing_pb2.Adjustment(
                id=number,
                bucket_name=name,
                client_name=name,
                client_id=1,
                delta_quantity=name,
                reason=name,
                amount=types_pb2.Money(currency=name, amount=name),
            )
            for number, name in enumerate(hostile, start=1)
        ]
    )
    script.answers["ListTooLate"] = closing_pb2.ListTooLateReply(
        readings=[
            closing_pb2.TooLate(id=number, agent_name=name, asset_name=name, unit_type=name, reason=name)
            for number, name in enumerate(hostile, start=1)
        ]
    )
    script.streams["Verify"] = [
        closing_pb2.Verification(
            bucket_id=number,
            bucket_name=name,
            hash=estate_billing.step(name, name),
            rating=estate_billing.step("failed", name),
            readings=estate_billing.step("ok", name),
        )
        for number, name in enumerate(hostile, start=1)
    ]


def check(driver: Driver) -> None:
    """The program runs, and what it draws holds nothing that a terminal acts on."""
    assert driver.app.is_running
    drawn = driver.seen()
    assert not [c for c in drawn if unicodedata.category(c)[0] == "C" and c != "\n"]


async def settle(driver: Driver) -> None:
    """Until what was asked for has arrived and is drawn."""
    await driver.until(lambda: driver.figures() is not None, "the figures")
    await driver.pilot.pause(0.3)
    check(driver)


@pytest.mark.parametrize("size", SIZES)
async def test_no_text_breaks_a_view_of_billing(aggregator: Scripted, size: tuple[int, int]) -> None:
    async with driven(aggregator, size=size) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        await driver.press("6")
        await settle(driver)
        for _ in builders.HOSTILE:
            await driver.press("j")
        for _ in range(4):
            await driver.press("v")
            await settle(driver)
        for keys in (("f",), ("escape", "R"), ("escape", "W"), ("escape", "comma", "F"), ("escape", "p")):
            await driver.press(*keys)
            await driver.pilot.pause(0.3)
            check(driver)


@pytest.mark.parametrize(("size", "first"), [((60, 20), 0), ((140, 40), 5)])
async def test_no_text_breaks_what_billing_opens(
    aggregator: Scripted, size: tuple[int, int], first: int
) -> None:
    script = aggregator.script
    async with driven(aggregator, size=size) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        for at in range(first, first + 5):
            driver.app.post_message(OpenReading(script.readings[at * 3 + 2]))
            await driver.pilot.pause(0.3)
            check(driver)
            for keys in (("i",), ("enter",), ("enter",), ("escape",), ("escape",), ("escape",), ("V",)):
                await driver.press(*keys)
                await driver.pilot.pause(0.1)
                check(driver)
            await driver.press("escape", "escape")
        driver.app.post_message(OpenPeriod(estate_billing.period(script, script.clients[0], 1)))
        await driver.pilot.pause(0.3)
        for _ in builders.HOSTILE:
            await driver.press("j")
            check(driver)
        await driver.press("A")
        await driver.pilot.pause(0.3)
        check(driver)
