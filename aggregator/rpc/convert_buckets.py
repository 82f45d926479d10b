"""Between buckets as they are loaded and the messages people get, beside convert.py and by the same rules."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from aggregator.domain import insight
from aggregator.domain.quantity import quantity_symbol
from aggregator.domain.slot import slot_start
from aggregator.domain.terms import Terms, aggregation_text
from aggregator.rpc.convert import filter_message, from_slot
from aggregator.store.buckets import BucketDetail, BucketRow
from ullage.v1 import agreements_pb2, inventory_pb2
from ullage.wire import from_decimal, from_time


def terms_message(terms: Terms, *, finalised_on: date | None = None) -> agreements_pb2.Terms:
    """Field by field; ``finalised_on`` is the local day up to which the client's time is finalised, None: nothing is."""
    return agreements_pb2.Terms(
        id=terms.id,
        starts_on=terms.starts_on.isoformat(),
        ends_on=terms.ends_on.isoformat() if terms.ends_on else "",
        commit=from_decimal(terms.commit),
        base_price=from_decimal(terms.base_price),
        overage_price=from_decimal(terms.overage_price),
        aggregation=aggregation_text(terms),
        package=from_decimal(terms.package),
        minimum=from_decimal(terms.minimum),
        maximum=from_decimal(terms.maximum),
        tiers=[
            agreements_pb2.Tier(above=from_decimal(tier.above), price=from_decimal(tier.price))
            for tier in terms.tiers
        ],
        gap_rule=_gap_rule(terms.gap_hold),
        prorate=terms.prorate,
        finalised=finalised_on is not None and terms.starts_on < finalised_on,
    )


def _gap_rule(gap_hold: int | None) -> str:
    if gap_hold is None:
        return ""
    return f"hold {gap_hold}" if gap_hold else "zero"


def bucket(detail: BucketDetail, now: datetime) -> inventory_pb2.Bucket:
    """With the terms in force on the client's local day."""
    row = detail.bucket
    today = now.astimezone(ZoneInfo(row.time_zone)).date()
    begun = [terms for terms in detail.terms if terms.starts_on <= today]
    in_force = begun[-1] if begun and (begun[-1].ends_on is None or begun[-1].ends_on > today) else None
    finalised = slot_start(row.finalised_slot).astimezone(ZoneInfo(row.time_zone)).date()
    ends_on = detail.terms[-1].ends_on if detail.terms else None
    commit = row.current_commit
    if commit is None and in_force is not None:
        commit = in_force.commit
    return inventory_pb2.Bucket(
        id=row.id,
        client_id=row.client_id,
        client_name=row.client_name,
        name=row.name,
        source_type=row.source_type,
        unit_type=row.unit_type,
        symbol=_symbol_of_bucket(row, in_force),
        priority=row.priority,
        reviewed=row.reviewed,
        enabled=row.enabled,
        created_at=from_time(row.created_at),
        filters=[filter_message(conditions) for conditions in detail.filters],
        terms=terms_message(in_force, finalised_on=finalised) if in_force else None,
        all_terms=[terms_message(terms, finalised_on=finalised) for terms in detail.terms],
        currency=row.currency,
        current_usage=from_decimal(row.current_usage),
        current_cost=from_decimal(row.current_cost),
        projected_usage=from_decimal(row.projected_quantity),
        projected_cost=from_decimal(row.projected_cost),
        percent_of_commit=from_decimal(row.percent_of_commit),
        status=insight.bucket_status(projected=row.projected_quantity, commit=commit),
        usage_as_of=from_slot(row.as_of_slot),
        series=row.series,
        ends_on=ends_on.isoformat() if ends_on else "",
        provisioned=row.provisioned,
        kind=row.kind,
    )


def _symbol_of_bucket(row: BucketRow, terms: Terms | None) -> str:
    if terms is None:
        return row.symbol
    return quantity_symbol(row.symbol, kind=row.kind, aggregation=terms.aggregation)
