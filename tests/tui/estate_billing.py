"""What the scripted aggregator knows of periods, checklists and explanations.

November is open, October has ended, September is final. Client 3 is overdue, client 1 has open items.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from tests.tui import builders
from tests.tui.scripted import Script
from ullage.v1 import billing_pb2, closing_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time, to_time

Row = TypeVar("Row")
# First and last days by how many months back.
MONTHS = {0: ("2026-11-01", "2026-11-30"), 1: ("2026-10-01", "2026-10-31"), 2: ("2026-09-01", "2026-09-30")}
STATES = {
    0: billing_pb2.PERIOD_STATE_OPEN,
    1: billing_pb2.PERIOD_STATE_ENDED,
    2: billing_pb2.PERIOD_STATE_FINALISED,
}


def furnish(script: Script) -> None:
    """Adds it to the estate."""
    for terms in (terms for bucket in script.buckets for terms in bucket.all_terms):
        terms.id = terms.id or 1
    for reading in script.readings:
        _complete(reading)
    script.answers.update(
        ListPeriods=lambda request: list_periods(script, request),
        GetChecklist=lambda request: checklist(script, request.client_id, request.first_day),
        ListAdjustments=lambda request: list_adjustments(script, request),
        ListTooLate=list_too_late,
        Explain=lambda request: explanation(script, request),
        Finalise=lambda request: finalised(script, request),
        GetRun=lambda request: builders.job("billing", "").last_run,
    )
    script.answers["AcknowledgeItems"] = lambda request: acknowledged(script, request)
    script.streams["Verify"] = []
    script.streams["Verify"] += [verification(one) for one in script.readings if _months_back(one) == 2][:6]


def _months_back(reading: billing_pb2.Reading) -> int:
    return 11 - to_time(reading.period_start).astimezone(builders.BERLIN).month


def _complete(reading: billing_pb2.Reading) -> None:
    """State, coverage and the one segment that follow from the period."""
    back = _months_back(reading)
    reading.state = STATES.get(back, billing_pb2.PERIOD_STATE_FINALISED)
    reading.coverage.CopyFrom(
        billing_pb2.Coverage(percent="98.25", measured=5_120, absent=40, gap=92, spread=12 if back else 0)
    )
    reading.limit = "0.00"
    del reading.segments[:]
    reading.segments.add(
        terms_id=1,
        starts_at=reading.period_start,
        ends_at=reading.period_end,
        fraction="1",
        quantity=reading.quantity,
        commit=reading.commit,
        overage_units=reading.overage_units,
        used=reading.used,
        buffer=reading.buffer,
        overage=reading.overage,
        limit=reading.limit,
        cost=reading.cost,
        coverage=reading.coverage,
    )


def period(script: Script, client: inventory_pb2.Client, back: int) -> closing_pb2.Period:
    """A client's period with the sum of its readings."""
    first, last = MONTHS[back]
    mine = [one for one in script.readings if one.client_id == client.id and _months_back(one) == back]
    start, end = _span(back)
    is_final = back == 2
    return closing_pb2.Period(
        client_id=client.id,
        client_name=client.name,
        start=start,
        end=end,
        first_day=first,
        last_day=last,
        state=STATES[back],
        buckets=len(mine),
        total=types_pb2.Money(
            currency=client.currency, amount=f"{sum((Decimal(one.cost) for one in mine), Decimal(0)):f}"
        ),
        open_items=0 if back != 1 else {1: 3, 3: 1}.get(client.id, 0),
        closes_at=None
        if is_final or client.id in {1, 3}
        else from_time(builders.NOW + timedelta(hours=back * 3 + 1)),
        finalised_at=from_time(builders.ago(days=40)) if is_final else None,
        overdue=back == 1 and client.id == 3,
        cutoff=from_time(builders.ago(minutes=12)),
    )


def _span(back: int) -> tuple[Any, Any]:
    start = builders.MONTH_START.replace(month=11 - back)
    end = builders.MONTH_END.replace(month=12 - back)
    return from_time(start), from_time(end)


def periods(script: Script) -> list[closing_pb2.Period]:
    """The newest first."""
    return [period(script, client, back) for back in MONTHS for client in script.clients]


def list_periods(script: Script, request: closing_pb2.ListPeriodsRequest) -> closing_pb2.ListPeriodsReply:
    """As the contract says it."""
    found = [
        one
        for one in periods(script)
        if request.client_id in {0, one.client_id}
        and request.state in {0, one.state}
        and (one.overdue or not request.overdue)
        and request.month in {"", one.last_day[:7]}
        and request.search.casefold() in one.client_name.casefold()
    ]
    fields = {
        "client_name": lambda one: one.client_name,
        "period_start": lambda one: one.first_day,
        "period_end": lambda one: one.last_day,
        "buckets": lambda one: one.buckets,
        "total": lambda one: Decimal(one.total.amount),
    }
    if request.page.sort:
        found.sort(key=fields[request.page.sort], reverse=request.page.descending)
    rows, info = page_of(found, request.page)
    return closing_pb2.ListPeriodsReply(periods=rows, page=info)


def page_of(found: Sequence[Row], page: types_pb2.PageRequest) -> tuple[Sequence[Row], types_pb2.PageInfo]:
    """A page of rows that are in order."""
    start = int(page.after or 0)
    end = start + (page.size or 100)
    return found[start:end], types_pb2.PageInfo(next=str(end) if end < len(found) else "", total=len(found))


def items(acknowledged_by: str = "", reason: str = "") -> list[closing_pb2.CheckItem]:
    """One that passes by itself, one of an agent, one of a bucket, one of an asset."""
    at = from_time(builders.ago(hours=2))
    found = [
        closing_pb2.CheckItem(
            kind="grace",
            subject="",
            text="late readings are waited for until 2026-11-21 23:00 UTC",
            open=True,
        ),
        closing_pb2.CheckItem(
            kind="agent-silent",
            subject="agent:2",
            text="agent hv-02 has stored nothing of after the period's end, it last stored something at "
            "2026-10-29 04:12 UTC: see that it delivers, retire it, or acknowledge its silence",
            open=True,
            can_acknowledge=True,
        ),
        closing_pb2.CheckItem(
            kind="coverage",
            subject="bucket:5",
            text="bucket vm ram is covered by 91.4 %, below 95 %: have what is missing delivered, or acknowledge it",
            open=False,
            can_acknowledge=True,
            acknowledged_by="ops",
            acknowledged_at=at,
            reason="the host was sold",
        ),
        closing_pb2.CheckItem(
            kind="unbound",
            subject="asset:7",
            text="asset db-07 has usage in the period that no bucket bills: bind it, or acknowledge that it is not billed",
            open=True,
            can_acknowledge=True,
        ),
    ]
    for item in found if acknowledged_by else ():
        if item.can_acknowledge and item.open:
            item.open, item.acknowledged_by, item.reason = False, acknowledged_by, reason
            item.acknowledged_at.FromDatetime(builders.ago(hours=2))
    return found


def checklist(script: Script, client_id: int, first_day: str) -> closing_pb2.Checklist:
    """Client 1 has open items; the others are ready."""
    back = next((one for one, (first, _) in MONTHS.items() if first == first_day), 1)
    client = next(one for one in script.clients if one.id == client_id)
    found = items() if client_id == 1 else []
    return closing_pb2.Checklist(
        period=period(script, client, back), items=found, ready=not any(item.open for item in found)
    )


def acknowledged(script: Script, request: closing_pb2.AcknowledgeItemsRequest) -> closing_pb2.Checklist:
    """Everything that can be, whatever was asked for."""
    reply = checklist(script, request.client_id, request.first_day)
    del reply.items[:]
    reply.items.extend(items() if request.withdraw else items("ops", request.reason))
    return reply


def finalised(script: Script, request: closing_pb2.FinaliseRequest) -> closing_pb2.FinaliseReply:
    """What is, or would be, final."""
    found = checklist(script, request.client_id, request.first_day).period
    return closing_pb2.FinaliseReply(period=found, readings=found.buckets, adjustments=1, total=found.total)


def adjustments(script: Script) -> list[closing_pb2.Adjustment]:
    """Two corrections of September, one of them less."""
    start, end = _span(2)
    into, _ = _span(1)
    return [
        closing_pb2.Adjustment(
            id=number,
            bucket_id=bucket.id,
            bucket_name=bucket.name,
            client_id=bucket.client_id,
            client_name=bucket.client_name,
            of_start=start,
            of_end=end,
            in_start=into,
            delta_quantity=delta,
            amount=types_pb2.Money(currency=bucket.currency, amount=amount),
            reason="2 batches of agent hv-02 were stored after the reading was final",
        )
        for number, (bucket, delta, amount) in enumerate(
            zip(script.buckets[:2], ("1.2500", "-0.5000"), ("5.00", "-2.00"), strict=True), start=1
        )
    ]


def list_adjustments(
    script: Script, request: closing_pb2.ListAdjustmentsRequest
) -> closing_pb2.ListAdjustmentsReply:
    """Of a client, of a bucket, or all."""
    found = [
        one
        for one in adjustments(script)
        if request.client_id in {0, one.client_id} and request.bucket_id in {0, one.bucket_id}
    ]
    rows, info = page_of(found, request.page)
    return closing_pb2.ListAdjustmentsReply(adjustments=rows, page=info)


def list_too_late(request: closing_pb2.ListTooLateRequest) -> closing_pb2.ListTooLateReply:
    """One beyond the look-back, one below the floor of an asset that is known no more."""
    rows = [
        closing_pb2.TooLate(
            id=number,
            agent_id=2,
            agent_name="hv-02",
            asset_id=asset,
            asset_name="web-01.vm1" if asset else "",
            unit_type="ram",
            value=17_179_869_184,
            since=from_time(builders.ago(days=120, minutes=1)),
            ticked_at=from_time(builders.ago(days=120)),
            stored_at=from_time(builders.ago(hours=number)),
            reason=reason,
        )
        for number, (asset, reason) in enumerate(((1, "look-back"), (0, "below-floor")), start=1)
    ]
    found, info = page_of(rows, request.page)
    return closing_pb2.ListTooLateReply(readings=found, page=info)


def explanation(script: Script, request: closing_pb2.ExplainRequest) -> closing_pb2.Explanation:
    """The level that was asked for."""
    reading = next(
        one
        for one in script.readings
        if one.bucket_id == request.bucket_id
        and to_time(one.period_start).astimezone(builders.BERLIN).strftime("%Y-%m-%d") == request.first_day
    )
    found = closing_pb2.Explanation(
        reading=reading,
        steps=[
            "745 slots of 60 minutes have ended, of 7 assets.",
            "Of 5252 slots of series, 5120 are measured, 40 absent and 92 a gap: coverage 98.25 %.",
            "The sum of all slot values is 64095485952000 steps.",
            "That ÷ 745 slots ÷ 1073741824 steps of a unit, rounded half away from zero to 4 decimals, is 80.125 GiB.",
            "The commit is 100 GiB.",
            "Used: 80.125 GiB × 2.5 = 200.31 EUR.",
            "Cost: 200.31 used + 49.69 buffer + 0.00 overage + 0.00 limit = 250.00 EUR.",
        ],
        from_evidence=reading.state == billing_pb2.PERIOD_STATE_FINALISED,
    )
    if request.HasField("slot"):
        found.notes.append("Raw readings before 2026-08-01 00:00 UTC are kept no more.")
        for minute in (1, 2, 3):
            at = to_time(request.slot) + timedelta(minutes=minute)
            found.raw.add(
                since=from_time(at - timedelta(minutes=1)),
                ticked_at=from_time(at),
                stored_at=from_time(at + timedelta(seconds=8)),
                agent="hv-01",
                value=17_179_869_184 + minute,
                unit_type="ram",
            )
    elif request.asset_id:
        start = to_time(reading.period_start)
        for hour, state in enumerate(("measured", "absent", "gap", "held", "mixed")):
            found.slots.add(
                start=from_time(start + timedelta(hours=hour)),
                value=str(17_179_869_184 * (hour + 1)),
                state=state,
                spread=hour == 4,
                decides=hour == 3,
            )
    else:
        for number, share in ((1, "150.00"), (2, "100.00")):
            found.assets.add(
                asset_id=number,
                name=next((one.name for one in script.assets if one.id == number), ""),
                quantity=f"{48 - number * 8}.0625",
                share=types_pb2.Money(currency=reading.currency, amount=share),
                measured=745 - number,
                absent=number,
                gap=number - 1,
            )
    return found


def step(state: str, text: str = "") -> closing_pb2.Step:
    """Of three."""
    return closing_pb2.Step(state=state, text=text)


def verification(reading: billing_pb2.Reading, *, rating: str = "ok") -> closing_pb2.Verification:
    """Its raw readings are kept no more."""
    return closing_pb2.Verification(
        bucket_id=reading.bucket_id,
        bucket_name=reading.bucket_name,
        period_start=reading.period_start,
        hash=step("ok"),
        rating=step(rating, "250.00 is stored, 240.00 comes out" if rating == "failed" else ""),
        readings=step("not-possible", "raw readings are kept no more"),
    )
