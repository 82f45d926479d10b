"""What the scripted aggregator knows of unbound assets and what is suggested for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.tui import builders
from tests.tui.scripted import Script
from ullage.v1 import analysis_pb2, asset_acts_pb2, inventory_pb2, types_pb2, unit_types_pb2
from ullage.wire import from_time


@dataclass(frozen=True, slots=True)
class Kind:
    """Assets that appeared together: names, how many, and whose they probably are (0: nothing is suggested)."""

    name: str
    count: int
    client: int = 0
    buckets: tuple[int, ...] = ()
    money: str = ""
    currency: str = "EUR"
    source: str = "vm"
    confidence: int = 96
    days: int = 3


# Forty assets, as they stand there on a Monday.
MONDAY = (
    Kind("web-{:02d}.brook", 12, client=1, buckets=(1, 2), money="18.50", days=5),
    Kind("lab-{:02d}", 9, client=5, money="", confidence=74),
    Kind("pg-{:d}-data", 8, client=2, buckets=(3,), money="40.00", source="volume", confidence=88, days=33),
    Kind("runner-7f3a9c{:02d}", 7, source="container", days=1),
    Kind("fw-ext-{:d}", 3, client=3, buckets=(4,), money="9.10", currency="USD", source="interface"),
    Kind("printer", 1, source="host", money="2.00", days=60),
)


def furnish(script: Script) -> None:
    """Adds it to the estate: suggestions for what is unbound there, a template, what is lost in all."""
    loose = [one for one in script.assets if one.series_unbound]
    known = {
        one.id: suggestion(
            one.id, script.clients[one.id % 3], [script.buckets[one.id % 5]], group=one.source_type
        )
        for one in loose
        if one.id % 18 == 0
    }
    answer_with(script, known)
    for unit in script.unit_types:
        unit.templates.append(
            unit_types_pb2.Template(
                id=1,
                unit_type=unit.name,
                source_type="vm",
                aggregation="p95",
                commit="16",
                prices=[unit_types_pb2.TemplatePrice(currency="EUR", base_price="2.75", overage_price="3.5")],
                enabled=True,
            )
        )


def answer_with(script: Script, known: dict[int, asset_acts_pb2.Suggestion]) -> None:
    """Suggestions for these assets; accepting them is done, and takes the assets out of what is unbound."""

    def suggest(request: asset_acts_pb2.SuggestBindingsRequest) -> asset_acts_pb2.SuggestBindingsReply:
        found = [known[one] for one in request.asset_ids if one in known]
        return asset_acts_pb2.SuggestBindingsReply(suggestions=found)

    def bind(request: asset_acts_pb2.BindAssetsRequest) -> asset_acts_pb2.ActReply:
        preview = types_pb2.Preview(
            assets=len(request.asset_ids),
            series=2 * len(request.asset_ids),
            readings=120,
            money=[types_pb2.Money(currency="EUR", amount="222.00")],
        )
        if not request.dry_run:
            taken = set(request.asset_ids)
            script.assets = [one for one in script.assets if one.id not in taken]
        group = 0 if request.dry_run else 71
        return asset_acts_pb2.ActReply(changed=len(request.asset_ids), preview=preview, audit_group=group)

    def leakage(request: analysis_pb2.ListLeakageRequest) -> analysis_pb2.ListLeakageReply:
        rows = []
        for one in script.assets:
            if one.series_unbound:
                age = "7" if one.days_unbound <= 7 else "30" if one.days_unbound <= 30 else "90"
                unpriced = int(not one.unbound_money.amount)
                rows.append(
                    analysis_pb2.Leakage(
                        age=age,
                        assets=1,
                        money=one.unbound_money,
                        unpriced=unpriced,
                        client_id=one.client_id,
                        client_name=one.client_name,
                    )
                )
        return analysis_pb2.ListLeakageReply(rows=rows)

    script.answers |= {"SuggestBindings": suggest, "BindAssets": bind, "ListLeakage": leakage}


def suggestion(
    asset_id: int, of: inventory_pb2.Client, buckets: Sequence[inventory_pb2.Bucket], **more: object
) -> asset_acts_pb2.Suggestion:
    """One, with its reason."""
    made = asset_acts_pb2.Suggestion(
        asset_id=asset_id,
        client_id=of.id,
        client_name=of.name,
        buckets=[
            asset_acts_pb2.SuggestedBucket(bucket_id=one.id, bucket_name=one.name, unit_type=one.unit_type)
            for one in buckets
        ],
        reason=f"like old-01, old-02 and 14 others of {of.name}: same name pattern, same agent",
        confidence=96,
        group=f"{of.id}",
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def monday(script: Script, kinds: Sequence[Kind] = MONDAY) -> None:
    """In place of all assets those that are new, one of a kind after one of the next, and what is suggested for them."""
    script.assets, known = [], {}
    most = max(kind.count for kind in kinds)
    for place in range(most):
        for kind in (one for one in kinds if place < one.count):
            number = len(script.assets) + 101
            script.assets.append(_new(number, kind, place + 1))
            if kind.client:
                of = script.clients[kind.client - 1]
                held = [script.buckets[one - 1] for one in kind.buckets]
                known[number] = suggestion(
                    number, of, held, group=f"{of.id}/{kind.name}", confidence=kind.confidence
                )
    answer_with(script, known)


def _new(number: int, kind: Kind, place: int) -> inventory_pb2.Asset:
    priced = types_pb2.Money(currency=kind.currency, amount=kind.money) if kind.money else None
    return builders.asset(
        number,
        kind.name.format(place),
        source_type=kind.source,
        acknowledged=False,
        agent="hv-03",
        series_unbound=2,
        unbound_money=priced,
        days_unbound=kind.days,
        unbound_since=from_time(builders.ago(days=kind.days, hours=1)),
    )
