"""What the scripted aggregator knows of buckets' terms and what-if."""

from collections import defaultdict
from decimal import Decimal

from google.protobuf.message import Message

from tests.tui.scripted import Script
from ullage.v1 import agreements_pb2, analysis_pb2, asset_acts_pb2, billing_pb2, inventory_pb2, types_pb2

READINGS_MAX = 12


def furnish(script: Script) -> None:
    """Terms over time of the first bucket of each client; answers to what is done with buckets and clients."""
    for client in script.clients:
        first = next((bucket for bucket in script.buckets if bucket.client_id == client.id), None)
        if first is not None:
            _terms(first)
    script.clients[2].coming.add(
        starts_on="2027-01-01",
        currency="EUR",
        time_zone="Europe/Berlin",
        cycle_unit="month",
        cycle_count=3,
        cycle_anchor="2027-01-01",
    )
    script.answers.setdefault("WhatIf", lambda request: what_if(script, request))
    for method in ("UpdateBucket", "SetTerms", "DeleteTerms"):
        script.answers.setdefault(method, lambda request: _bucket_changed(script, request))
    for method in ("UpdateClient", "SetClientEnabled"):
        script.answers.setdefault(method, lambda request: _client_changed(script, request))
    for method in ("ReviewBuckets", "SetBucketsEnabled"):
        script.answers.setdefault(method, lambda request: _acted(script, request))


def _terms(bucket: inventory_pb2.Bucket) -> None:
    """Three in a row: used and final, in force, and agreed for later with tiers and a minimum."""
    del bucket.all_terms[:]
    bucket.all_terms.add(
        starts_on="2025-01-01",
        commit="60",
        base_price="2.75",
        overage_price="4.5",
        aggregation="avg",
        finalised=True,
    )
    bucket.all_terms.append(bucket.terms)
    bucket.all_terms.add(
        starts_on="2027-01-01",
        commit="120",
        base_price="2.25",
        overage_price="4",
        aggregation="p95",
        minimum="200",
        prorate=True,
        gap_rule="hold 3",
        tiers=[
            agreements_pb2.Tier(above="0", price="4"),
            agreements_pb2.Tier(above="50", price="3.5"),
        ],
    )


def what_if(script: Script, request: analysis_pb2.WhatIfRequest) -> analysis_pb2.WhatIfReply:
    """Every ended reading priced at the commit and prices asked for, without tiers or limits."""
    before: defaultdict[str, Decimal] = defaultdict(Decimal)
    after: defaultdict[str, Decimal] = defaultdict(Decimal)
    reply = analysis_pb2.WhatIfReply()
    buckets = {bucket.id: bucket for bucket in script.buckets}
    seen: defaultdict[int, int] = defaultdict(int)
    for reading in sorted(script.readings, key=lambda one: -one.period_start.seconds):
        bucket = buckets.get(reading.bucket_id)
        if bucket is None or reading.state == billing_pb2.PERIOD_STATE_OPEN:
            continue
        if request.bucket_id not in {0, bucket.id} or request.client_id not in {0, bucket.client_id}:
            continue
        seen[bucket.id] += 1
        if seen[bucket.id] > (request.readings or READINGS_MAX):
            continue
        cost = _priced(reading, bucket.terms, request)
        before[reading.currency] += Decimal(reading.cost)
        after[reading.currency] += cost
        reply.rows.add(
            bucket_id=bucket.id,
            bucket_name=bucket.name,
            client_name=bucket.client_name,
            period_start=reading.period_start,
            quantity=reading.quantity,
            before=types_pb2.Money(currency=reading.currency, amount=reading.cost),
            after=types_pb2.Money(currency=reading.currency, amount=f"{cost:.2f}"),
        )
    for currency in before:
        reply.before.add(currency=currency, amount=f"{before[currency]:.2f}")
        reply.after.add(currency=currency, amount=f"{after[currency]:.2f}")
    return reply


def _priced(
    reading: billing_pb2.Reading, terms: agreements_pb2.Terms, request: analysis_pb2.WhatIfRequest
) -> Decimal:
    def figure(given: str, held: str, percent: str) -> Decimal:
        return Decimal(given or held) * (100 + Decimal(percent or 0)) / 100

    commit = figure(request.terms.commit, terms.commit, request.commit_percent)
    base = figure(request.terms.base_price, terms.base_price, request.base_percent)
    overage = figure(request.terms.overage_price, terms.overage_price, request.overage_percent)
    return commit * base + max(Decimal(reading.quantity) - commit, Decimal(0)) * overage


def _bucket_changed(script: Script, request: Message) -> inventory_pb2.UpdateBucketReply:
    number = getattr(request, "id", 0) or getattr(request, "bucket_id", 0)
    bucket = next(one for one in script.buckets if one.id == number)
    return inventory_pb2.UpdateBucketReply(bucket=bucket, preview=script.preview)


def _client_changed(script: Script, request: Message) -> inventory_pb2.UpdateClientReply:
    client = next(one for one in script.clients if one.id == getattr(request, "id", 0))
    return inventory_pb2.UpdateClientReply(client=client, preview=script.preview)


def _acted(script: Script, request: Message) -> asset_acts_pb2.ActReply:
    dry_run = bool(getattr(request, "dry_run", False))
    return asset_acts_pb2.ActReply(
        changed=len(getattr(request, "ids", ())), preview=script.preview, audit_group=0 if dry_run else 41
    )
