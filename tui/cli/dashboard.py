"""``ullage dashboard``: the figures over everything, one row each."""

import click

from tui.cli.listing import show
from tui.cli.options import form_option
from tui.cli.output import Row, Value
from tui.cli.session import run
from tui.format import decimal
from ullage.v1 import insight_pb2

FIGURE_COLUMNS = ("figure", "of", "value", "unit")


def figure_rows(dashboard: insight_pb2.Dashboard) -> list[Row]:
    """The dashboard as one row per figure."""
    rows: list[Row] = []

    def add(figure: str, value: Value, unit: str = "", of: str = "") -> None:
        rows.append({"figure": figure, "of": of, "value": value, "unit": unit})

    for name in ("clients", "assets", "buckets", "unassigned", "unbound"):
        add(name, int(getattr(dashboard, name)))
    add("new", int(dashboard.unacknowledged))
    for money in dashboard.projected_revenue:
        add("projected revenue", decimal(money.amount), money.currency)
    for change in dashboard.month_over_month:
        provisional = "provisional" if change.provisional else ""
        add("MoM revenue", decimal(change.percent), f"% of {change.currency}", provisional)
    for over in dashboard.new_overages:
        add(
            "new overage",
            decimal(over.percent_of_commit),
            "% of commit",
            f"{over.client_name}: {over.bucket_name}",
        )
    for top in dashboard.top_clients:
        add("top client", decimal(top.projected.amount), top.projected.currency, top.client_name)
    for average in dashboard.average_per_client:
        add("average per client", decimal(average.amount), average.currency)
    for source in dashboard.revenue_by_source:
        of = f"{source.source_type} (provisional)" if source.provisional else source.source_type
        add("revenue by source", decimal(source.revenue.amount), source.revenue.currency, of)
    if dashboard.HasField("status_last_period"):
        for status in ("over", "under", "mixed", "even", "none"):
            of = "without a commit" if status == "none" else status
            add("clients last period", int(getattr(dashboard.status_last_period, status)), of=of)
    for month in dashboard.revenue:
        state = " (provisional)" if month.provisional else ""
        add("revenue", decimal(month.revenue.amount), month.revenue.currency, f"{month.month}{state}")
    add("health", dashboard.health.state, of="; ".join(dashboard.health.problems))
    return rows


@click.command("dashboard")
@form_option
def dashboard(form: str) -> None:
    """The dashboard's figures, one row each.

    Example: ullage dashboard --format json
    """
    found = figure_rows(run(lambda aggregator: aggregator.dashboard()))
    show((found, len(found)), FIGURE_COLUMNS, form, "figures")
