"""What a run of billing does, and which periods it is to rate."""

from collections.abc import Awaitable, Callable

from tui.client import JOB_SECONDS_MAX
from tui.desk import Desk
from tui.dialogs.fields import Field
from tui.dialogs.form import Form
from ullage.v1 import billing_pb2

JOB = "billing"
FORM = "Run billing"
CHANGED, EVERYTHING = "changed", "all"


def run_form() -> Form:
    """What a run does, and which periods it is to rate."""
    return Form(
        title=FORM,
        says=(
            "Rates periods again; their figures are provisional and may change with every run. As at every run, an "
            "ended period becomes final when its time has come and nothing on its checklist is open."
        ),
        fields=[
            Field(
                "which",
                "Rate",
                CHANGED,
                "Everything again takes longer and gives the same figures, unless something was wrong.",
                choices=((CHANGED, "only what changed"), (EVERYTHING, "everything again")),
            )
        ],
        go="Run",
    )


def rate(desk: Desk, *, everything: bool) -> Callable[[], Awaitable[billing_pb2.Run]]:
    """The call; it answers when the run has ended."""
    aggregator = desk.aggregator
    request = billing_pb2.RunBillingRequest(all=everything)
    return lambda: aggregator.ask(aggregator.billing.RunBilling, request, seconds=JOB_SECONDS_MAX)
