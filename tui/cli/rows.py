"""Messages as rows of named values, in the words of the screens: the shape that scripts may rely on."""

from tui.cli.output import Row, Value
from tui.format import decimal, moment
from ullage.v1 import admin_pb2, agreements_pb2, billing_pb2, insight_pb2, inventory_pb2, types_pb2

CLIENT_COLUMNS = ("id", "name", "buckets", "assets", "projected_cost", "currency", "enabled", "created_at")
ASSET_COLUMNS = (
    "id",
    "client",
    "name",
    "source_type",
    "description",
    "acknowledged",
    "enabled",
    "series_unbound",
    "created_at",
    "last_seen",
)
BUCKET_COLUMNS = (
    "id",
    "client",
    "name",
    "source_type",
    "unit_type",
    "aggregation",
    "usage",
    "commit",
    "symbol",
    "status",
    "reviewed",
    "enabled",
)
READING_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "period_start",
    "period_end",
    "quantity",
    "symbol",
    "commit",
    "cost",
    "overage",
    "buffer",
    "currency",
    "state",
)
PROJECTION_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "current",
    "projected",
    "symbol",
    "cost",
    "currency",
    "percent_of_commit",
    "calculated_at",
)
UNIT_TYPE_COLUMNS = ("name", "symbol", "description", "kind", "per", "precision", "slot_minutes")
JOB_COLUMNS = ("name", "description", "schedule", "next_run", "last_started", "last_state", "last_counts")
RULE_COLUMNS = ("id", "client_id", "priority", "filter")
FIGURE_COLUMNS = ("figure", "of", "value", "unit")
SERIES_COLUMNS = ("unit_type", "latest", "symbol", "latest_at", "bucket", "client_id")

_OPERATORS = {
    types_pb2.OPERATOR_EQUALS: "equals",
    types_pb2.OPERATOR_GLOB: "glob",
    types_pb2.OPERATOR_REGEX: "regex",
    types_pb2.OPERATOR_CIDR: "cidr",
}
_STATES = {
    billing_pb2.PERIOD_STATE_OPEN: "open",
    billing_pb2.PERIOD_STATE_ENDED: "ended",
    billing_pb2.PERIOD_STATE_FINALISED: "finalised",
}


def operator_words(operator: types_pb2.Operator.ValueType) -> str:
    """As options take it; of an operator that this version does not know "unknown"."""
    return _OPERATORS.get(operator, "unknown")


def filter_words(filtered: types_pb2.Filter) -> str:
    """As ``--filter`` takes it: ``name glob web-* and label:env equals prod``."""
    return " and ".join(
        f"{condition.field} {operator_words(condition.operator)} {condition.pattern}"
        for condition in filtered.conditions
    )


def client_row(client: inventory_pb2.Client) -> Row:
    """A client."""
    return {
        "id": client.id,
        "name": client.name,
        "buckets": client.buckets,
        "assets": client.assets,
        "projected_cost": decimal(client.projected_cost),
        "currency": client.currency,
        "time_zone": client.time_zone,
        "cycle_unit": client.cycle_unit,
        "cycle_count": client.cycle_count,
        "cycle_anchor": client.cycle_anchor,
        "period_start": moment(client.period_start),
        "period_end": moment(client.period_end),
        "enabled": client.enabled,
        "created_at": moment(client.created_at),
    }


def asset_row(asset: inventory_pb2.Asset) -> Row:
    """An asset; ``client_id`` is null while it is unassigned."""
    return {
        "id": asset.id,
        "client_id": asset.client_id or None,
        "client": asset.client_name or None,
        "name": asset.name,
        "description": asset.description,
        "source_type": asset.source_type,
        "external_id": asset.external_id,
        "scope": asset.scope,
        "address": asset.address,
        "labels": dict(sorted(asset.labels.items())),
        "acknowledged": asset.acknowledged,
        "enabled": asset.enabled,
        "disregarded": asset.disregarded,
        "series": asset.series,
        "series_unbound": asset.series_unbound,
        "unbound_since": moment(asset.unbound_since),
        "created_at": moment(asset.created_at),
        "last_seen": moment(asset.last_seen),
    }


def asset_detail_row(detail: inventory_pb2.AssetDetail) -> Row:
    """An asset with its series, what they are bound to, assignments and agents."""
    series: list[Value] = [
        {
            "unit_type": one.unit_type,
            "symbol": one.symbol,
            "latest": decimal(one.latest),
            "latest_at": moment(one.latest_at),
            "bindings": [
                {
                    "bucket_id": binding.bucket_id,
                    "bucket": binding.bucket_name,
                    "client_id": binding.client_id,
                    "from": moment(getattr(binding, "from")),
                    "to": moment(binding.to),
                    "by_hand": binding.by_hand,
                }
                for binding in one.bindings
            ],
        }
        for one in detail.series
    ]
    assignments: list[Value] = [
        {
            "client_id": assignment.client_id,
            "client": assignment.client_name,
            "from": moment(getattr(assignment, "from")),
            "to": moment(assignment.to),
            "by_hand": assignment.by_hand,
        }
        for assignment in detail.assignments
    ]
    return {
        **asset_row(detail.asset),
        "series": series,
        "assignments": assignments,
        "agents": list(detail.agents),
    }


def series_rows(detail: inventory_pb2.AssetDetail) -> list[Row]:
    """One row per unit type of the asset, with the binding that holds now."""
    rows: list[Row] = []
    for one in detail.series:
        held = [binding for binding in one.bindings if moment(binding.to) is None]
        rows.append(
            {
                "unit_type": one.unit_type,
                "latest": decimal(one.latest),
                "symbol": one.symbol,
                "latest_at": moment(one.latest_at),
                "bucket_id": held[-1].bucket_id if held else None,
                "bucket": held[-1].bucket_name if held else None,
                "client_id": held[-1].client_id if held else None,
            }
        )
    return rows


def _terms(terms: agreements_pb2.Terms) -> Row:
    return {
        "starts_on": terms.starts_on,
        "commit": decimal(terms.commit),
        "base_price": decimal(terms.base_price),
        "overage_price": decimal(terms.overage_price),
        "aggregation": terms.aggregation,
    }


def bucket_row(bucket: inventory_pb2.Bucket) -> Row:
    """A bucket with the terms in force and the figures of its open period."""
    return {
        "id": bucket.id,
        "client_id": bucket.client_id,
        "client": bucket.client_name,
        "name": bucket.name,
        "source_type": bucket.source_type,
        "unit_type": bucket.unit_type,
        "symbol": bucket.symbol,
        **_terms(bucket.terms),
        "all_terms": [_terms(terms) for terms in bucket.all_terms],
        "filters": [filter_words(filtered) for filtered in bucket.filters],
        "priority": bucket.priority,
        "series": bucket.series,
        "usage": decimal(bucket.current_usage),
        "usage_as_of": moment(bucket.usage_as_of),
        "cost": decimal(bucket.current_cost),
        "projected": decimal(bucket.projected_usage),
        "projected_cost": decimal(bucket.projected_cost),
        "currency": bucket.currency,
        "percent_of_commit": decimal(bucket.percent_of_commit),
        "status": bucket.status,
        "reviewed": bucket.reviewed,
        "enabled": bucket.enabled,
        "created_at": moment(bucket.created_at),
    }


def reading_row(reading: billing_pb2.Reading) -> Row:
    """A billing reading; used + buffer + overage = cost."""
    return {
        "client_id": reading.client_id,
        "client": reading.client_name,
        "bucket_id": reading.bucket_id,
        "bucket": reading.bucket_name,
        "source_type": reading.source_type,
        "unit_type": reading.unit_type,
        "aggregation": reading.aggregation,
        "period_start": moment(reading.period_start),
        "period_end": moment(reading.period_end),
        "state": _STATES.get(reading.state, "unknown"),
        "quantity": decimal(reading.quantity),
        "commit": decimal(reading.commit),
        "overage_units": decimal(reading.overage_units),
        "symbol": reading.symbol,
        "used": decimal(reading.used),
        "buffer": decimal(reading.buffer),
        "overage": decimal(reading.overage),
        "cost": decimal(reading.cost),
        "currency": reading.currency,
        "percent_of_commit": decimal(reading.percent_of_commit),
        "as_of": moment(reading.as_of),
        "cutoff": moment(reading.cutoff),
    }


def projection_row(projection: billing_pb2.Projection) -> Row:
    """What a bucket's open period will look like at its end."""
    return {
        "client_id": projection.client_id,
        "client": projection.client_name,
        "bucket_id": projection.bucket_id,
        "bucket": projection.bucket_name,
        "unit_type": projection.unit_type,
        "period_start": moment(projection.period_start),
        "period_end": moment(projection.period_end),
        "current": decimal(projection.current_quantity),
        "projected": decimal(projection.projected_quantity),
        "symbol": projection.symbol,
        "cost": decimal(projection.projected_cost),
        "currency": projection.currency,
        "percent_of_commit": decimal(projection.percent_of_commit),
        "calculated_at": moment(projection.calculated_at),
    }


def unit_type_row(unit_type: inventory_pb2.UnitType) -> Row:
    """A unit type."""
    return {
        "id": unit_type.id,
        "name": unit_type.name,
        "symbol": unit_type.symbol,
        "description": unit_type.description,
        "kind": unit_type.kind,
        "divisor": unit_type.divisor,
        "per": unit_type.per,
        "precision": unit_type.precision,
        "slot_minutes": unit_type.slot_minutes,
    }


def run_row(run: billing_pb2.Run) -> Row:
    """What a run did."""
    return {
        "id": run.id,
        "job": run.job,
        "state": run.state,
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "counts": dict(sorted(run.counts.items())),
    }


def job_row(job: admin_pb2.Job) -> Row:
    """A job of the timetable with its last run."""
    return {
        "name": job.name,
        "description": job.description,
        "schedule": job.schedule,
        "next_run": moment(job.next_run),
        "last_started": moment(job.last_run.started_at),
        "last_ended": moment(job.last_run.ended_at),
        "last_state": job.last_run.state or None,
        "last_counts": dict(sorted(job.last_run.counts.items())),
    }


def rule_row(rule: inventory_pb2.AssignmentRule) -> Row:
    """An assignment rule."""
    return {
        "id": rule.id,
        "client_id": rule.client_id,
        "priority": rule.priority,
        "filter": filter_words(rule.filter),
    }


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
    for month in dashboard.revenue:
        state = " (provisional)" if month.provisional else ""
        add("revenue", decimal(month.revenue.amount), month.revenue.currency, f"{month.month}{state}")
    add("health", dashboard.health.state, of="; ".join(dashboard.health.problems))
    return rows
