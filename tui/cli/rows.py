"""Messages as rows of named values, in the words of the screens: the shape that scripts may rely on."""

from tui.cli.output import Row, Value
from tui.cli.values import filter_words
from tui.format import decimal, moment
from ullage.v1 import agreements_pb2, inventory_pb2

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
# Of what nobody is billed for.
UNBOUND_COLUMNS = (
    "id",
    "client",
    "name",
    "source_type",
    "agent",
    "series_unbound",
    "days_unbound",
    "not_billed",
    "currency",
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
SERIES_COLUMNS = ("unit_type", "latest", "symbol", "latest_at", "bucket", "client_id")


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
        "close_after_days": client.close_after_days if client.HasField("close_after_days") else None,
        "contact": client.contact,
        "enabled": client.enabled,
        "disabled_on": client.disabled_on or None,
        "erased": client.erased,
        "finalised_to": moment(client.finalised_to),
        "created_at": moment(client.created_at),
        "coming": "; ".join(map(_cycle, client.coming)) or None,
    }


def _cycle(one: inventory_pb2.ClientCycle) -> str:
    unit = one.cycle_unit if one.cycle_count == 1 else f"{one.cycle_unit}s"
    return f"from {one.starts_on}: {one.cycle_count} {unit}, {one.time_zone}, {one.currency}"


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
        "days_unbound": asset.days_unbound if asset.HasField("unbound_since") else None,
        "not_billed": decimal(asset.unbound_money.amount),
        "currency": asset.unbound_money.currency or None,
        "agent": asset.agent or None,
        "by_hand": asset.assigned_by_hand,
        "merged_into": asset.merged_into or None,
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
        "merged_ids": list(detail.merged_ids),
        "same_machine": [
            {"id": one.id, "source_type": one.source_type, "name": one.name} for one in detail.same_machine
        ],
        "overlaps": [
            {
                "unit_type": one.unit_type,
                "agent": one.agent,
                "other_agent": one.other_agent,
                "from": moment(getattr(one, "from")),
                "to": moment(one.to),
            }
            for one in detail.overlaps
        ],
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


def terms_row(terms: agreements_pb2.Terms) -> Row:
    """Dated terms."""
    tiers: list[Value] = [
        {"above": decimal(tier.above), "price": decimal(tier.price)} for tier in terms.tiers
    ]
    return {
        "starts_on": terms.starts_on,
        "ends_on": terms.ends_on or None,
        "commit": decimal(terms.commit),
        "base_price": decimal(terms.base_price),
        "overage_price": decimal(terms.overage_price),
        "tiers": tiers,
        "aggregation": terms.aggregation,
        "package": decimal(terms.package),
        "minimum": decimal(terms.minimum),
        "maximum": decimal(terms.maximum),
        "gap_rule": terms.gap_rule or None,
        "prorate": terms.prorate,
        "finalised": terms.finalised,
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
        **{
            name: value
            for name, value in terms_row(bucket.terms).items()
            if name not in {"ends_on", "finalised"}
        },
        "all_terms": [terms_row(terms) for terms in bucket.all_terms],
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
        "provisioned": bucket.provisioned,
        "enabled": bucket.enabled,
        "ends_on": bucket.ends_on or None,
        "created_at": moment(bucket.created_at),
    }
