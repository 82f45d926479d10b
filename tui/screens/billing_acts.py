"""What is done about periods: finalising one, with the client's name typed; finding the reading that is corrected."""

from tui.client import PAGE_ROWS_MAX, RUN_SECONDS_MAX, Page
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.failures import CallFailed
from tui.format import clean, money, plural
from tui.screens.billing_cells import ENDED, FINALISED, period_days
from ullage.v1 import billing_pb2, closing_pb2

Period = closing_pb2.Period


def about(period: Period) -> str:
    """``Acme, 2026-10-01 – 10-31``."""
    return f"{clean(period.client_name, 60)}, {period_days(period.first_day, period.last_day)}"


def not_ended(period: Period) -> str:
    """Why it cannot be closed; empty: it has ended and is not final, so it can."""
    if period.state == FINALISED:
        return f"{about(period)} is final: nothing is left to do."
    if period.state != ENDED:
        return f"{about(period)} is still open: it can be closed when it has ended."
    return ""


def finalise_act(desk: Desk, period: Period) -> Act:
    """Makes the period final. The word to type is the client's name."""

    async def call(trial: Trial) -> closing_pb2.FinaliseReply:
        request = closing_pb2.FinaliseRequest(
            client_id=period.client_id, first_day=period.first_day, dry_run=trial.dry_run
        )
        return await desk.aggregator.ask(desk.aggregator.closing.Finalise, request, seconds=RUN_SECONDS_MAX)

    return Act(
        title=f"Finalise {about(period)}",
        call=call,
        shows=finalise_lines,
        warns="A final period is never changed again: usage that comes later becomes adjustments of the next one. "
        "This cannot be undone.",
        word=clean(period.client_name).strip(),
        undoable=False,
        done=lambda reply: f"{about(period)} is final: {money(reply.total.amount, reply.total.currency)}.",
    )


def finalise_lines(reply: closing_pb2.FinaliseReply) -> list[str]:
    """What would be final."""
    return [
        f"{plural(reply.readings, 'reading')} and {plural(reply.adjustments, 'adjustment')} would be final:",
        f"{money(reply.total.amount, reply.total.currency)} in all.",
        "",
    ]


async def corrected(desk: Desk, adjustment: closing_pb2.Adjustment) -> billing_pb2.Reading | str:
    """The final reading that the adjustment corrects, or why it cannot be shown, in a sentence."""
    try:
        reply = await desk.aggregator.readings(Page(PAGE_ROWS_MAX), bucket_id=adjustment.bucket_id)
    except CallFailed as error:
        return str(error)
    found = next((one for one in reply.readings if one.period_start == adjustment.of_start), None)
    return found or "The reading that this corrects is not there any more."
