"""The world of the demo: a dozen clients and what simulated agents meter for them, all from one seed.

Pure data: no clock, no network. The same seed and day give the same figures whatever range is asked for, so a demo that
was interrupted goes on with byte-for-byte the batches it would have sent.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from deploy.demo.arrivals import add_arrivals
from deploy.demo.builder import FOREVER, SHARED_NETWORK, SITES, Builder, address, hypervisor
from deploy.demo.plans import (
    CORE_HOUR,
    GIB,
    SEED,
    BucketPlan,
    ClientPlan,
    SimulatedAgent,
    TemplatePlan,
    Thing,
    World,
)

HOURS_PER_MONTH = 730


_COMMIT_SHARES = (0.0, 0.8, 0.92, 1.0, 1.05, 1.15, 1.35, 1.9)
_ROLES = ("web", "app", "db", "cache", "mail", "files", "build", "mon")
# Source types that a firm has no bucket for came up so many days ago: one ended period at least has some of it.
_LATELY_DAYS = 45
# Since then an agent of this firm reports a unit type that nobody created.
_GPU_PREFIX, _GPU_DAYS = "eastgate", 35
# Of this agent nothing came since midnight.
_SILENT = "dunmore-metal-01"


@dataclass(frozen=True, slots=True)
class _Firm:
    name: str
    prefix: str
    currency: str
    time_zone: str
    size: int
    anchor_day: int = 1
    cycle_unit: str = "month"
    cycle_count: int = 1
    # What there are buckets for. What is left out came only lately: provisioning makes a bucket, or it is unbound.
    billed: tuple[str, ...] = ("vm", "host", "volume", "database")
    # Label that its VMs carry, with its prefix as value; empty: none.
    label: str = ""
    # Third octet of its VMs' addresses; firms without a network of their own share one.
    network: int = SHARED_NETWORK
    # Of what it uses, how much it commits to: one of these a bucket.
    shares: tuple[float, ...] = _COMMIT_SHARES


_FIRMS = (
    _Firm("Alder Logistics", "alder", "EUR", "Europe/Berlin", 26, label="owner", network=1),
    _Firm(
        *("Brightwater Clinics", "bwc", "USD", "America/New_York", 22),
        billed=("vm", "host", "volume"),
        label="customer",
        network=2,
    ),
    _Firm(
        *("Cobalt Foundry", "cobalt", "EUR", "Europe/Paris", 18),
        anchor_day=15,
        billed=("vm", "host", "volume"),
        label="owner",
    ),
    _Firm("Dunmore Press", "dunmore", "GBP", "Europe/London", 9, label="owner", shares=(0.0, 0.8, 0.92)),
    _Firm("Eastgate Housing", "eastgate", "GBP", "Europe/London", 12, billed=("vm", "host", "volume")),
    _Firm("Fennel & Rye", "fennel", "USD", "America/Chicago", 6, label="customer"),
    _Firm("Granite Mutual", "granite", "USD", "America/New_York", 30, label="owner", network=7),
    _Firm(
        *("Harbour Lines", "harbour", "JPY", "Asia/Tokyo", 14),
        billed=("vm", "host", "volume"),
        label="customer",
        network=8,
    ),
    _Firm("Ionic Labs", "ionic", "USD", "America/Los_Angeles", 16, anchor_day=31),
    _Firm(
        *("Juniper Retail", "juniper", "EUR", "Europe/Madrid", 20),
        cycle_unit="week",
        cycle_count=4,
        network=10,
    ),
    # Pays for what it uses, without a commit.
    _Firm(
        *("Kestrel Air", "kestrel", "USD", "UTC", 11),
        billed=("vm", "host", "database"),
        network=11,
        shares=(0.0,),
    ),
)
# The twelfth client owns the host that the demo runs on.
HOUSE = ClientPlan(
    name="House",
    prefix="",
    currency="USD",
    time_zone="UTC",
    buckets=(
        BucketPlan(
            name="Processor time",
            source_type="host",
            unit_type="cpu",
            aggregation="sum",
            commit=Decimal(50),
            base_price=Decimal("0.035"),
            overage_price=Decimal("0.05"),
        ),
        BucketPlan(
            name="Memory",
            source_type="host",
            unit_type="ram-used",
            aggregation="avg",
            commit=Decimal(8),
            base_price=Decimal("3.5"),
            overage_price=Decimal(5),
        ),
        BucketPlan(
            name="Storage",
            source_type="volume",
            unit_type="disk-used",
            aggregation="last",
            commit=Decimal(0),
            base_price=Decimal(0),
            overage_price=Decimal("0.1"),
        ),
    ),
)

# Price of a unit and month in dollars, and what a unit of each other currency is worth in them.
_PRICES = {
    ("vm", "vcpu"): ("vCPU", "avg", "12"),
    ("vm", "ram"): ("VM memory", "avg", "4.5"),
    ("vm", "net-out"): ("Traffic", "sum", "0.045"),
    ("host", "cpu"): ("Dedicated compute", "sum", "0.03"),
    ("host", "ram"): ("Dedicated memory", "max", "3"),
    ("volume", "disk-used"): ("Block storage", "last", "0.11"),
    ("database", "disk-used"): ("Managed databases", "count", "85"),
}
_RATES = {"USD": "1", "EUR": "0.9", "GBP": "0.8", "JPY": "150"}
# There is none in pounds and yen yet, so provisioning leaves a problem for these clients.
_TEMPLATES = tuple(
    TemplatePlan(
        source_type=source_type,
        unit_type="disk-used",
        aggregation=aggregation,
        prices=tuple(
            (currency, Decimal(price) * Decimal(_RATES[currency]), Decimal(price) * Decimal(_RATES[currency]))
            for currency in ("EUR", "USD")
        ),
    )
    for source_type, aggregation, price in (("database", "count", "85"), ("volume", "last", "0.11"))
)


def build(*, days: int, seed: int = SEED) -> World:
    """The world for a backfill of ``days`` whole days."""
    builder = Builder(np.random.default_rng(seed), days)
    clients = []
    for number, firm in enumerate(_FIRMS):
        things_before = {key: len(things) for key, things in builder.by_agent.items()}
        _add_firm(builder, firm, SITES[number % len(SITES)])
        mine = [
            thing for key, things in builder.by_agent.items() for thing in things[things_before.get(key, 0) :]
        ]
        clients.append(_client(builder.rng, firm, mine, days))
    add_arrivals(builder)
    agents = tuple(
        SimulatedAgent(name, site, tuple(things), silent=name == _SILENT)
        for (name, site), things in sorted(builder.by_agent.items())
    )
    return World((*clients, HOUSE), _TEMPLATES, agents)


def _add_firm(builder: Builder, firm: _Firm, site: str) -> None:
    lately = (builder.days - _LATELY_DAYS, FOREVER)
    for index in range(firm.size):
        role = _ROLES[int(builder.rng.integers(len(_ROLES)))]
        identity = builder.next_identity()
        thing = builder.vm(
            name=f"{firm.prefix}-{role}-{index + 1:02d}",
            client=firm.name,
            identity=identity,
            address=address(site, firm.network, identity),
            labels=(("role", role), *([(firm.label, firm.prefix)] if firm.label else [])),
        )
        builder.add(hypervisor(site, identity), site, thing)
    for index in range(1 + firm.size // 12):
        builder.host(
            prefix=firm.prefix,
            client=firm.name,
            site=site,
            number=index + 1,
            volumes_since=0 if "volume" in firm.billed else lately[0],
            gpu_since=builder.days - _GPU_DAYS if firm.prefix == _GPU_PREFIX and not index else None,
        )
    for index in range(1 + firm.size // 8):
        span = None if "database" in firm.billed else lately
        database = builder.database(prefix=firm.prefix, client=firm.name, number=index + 1, span=span)
        builder.add(f"hv-{site}-1", site, database)


def _client(rng: np.random.Generator, firm: _Firm, things: list[Thing], days: int) -> ClientPlan:
    buckets = []
    for (source_type, unit_type), (label, aggregation, price) in _PRICES.items():
        usage = _expected(things, source_type, unit_type, aggregation, days)
        share = float(rng.choice(firm.shares))
        if source_type not in firm.billed:
            continue
        # Commits are agreed in round figures; of small quantities in whole units.
        commit = Decimal(round(usage * share / 5) * 5 if usage * share >= 50 else round(usage * share))
        base = (Decimal(price) * Decimal(_RATES[firm.currency])).normalize()
        buckets.append(
            BucketPlan(
                name=label,
                source_type=source_type,
                unit_type=unit_type,
                aggregation=aggregation,
                commit=commit,
                base_price=base,
                overage_price=(base * Decimal("1.4")).normalize(),
            )
        )
    return ClientPlan(
        name=firm.name,
        prefix=firm.prefix,
        currency=firm.currency,
        time_zone=firm.time_zone,
        cycle_unit=firm.cycle_unit,
        cycle_count=firm.cycle_count,
        anchor_day=firm.anchor_day,
        buckets=tuple(buckets),
    )


def _expected(things: list[Thing], source_type: str, unit_type: str, aggregation: str, days: int) -> float:
    """Roughly what a month towards the end of the year brings, in billed units."""
    divisor = {"vcpu": 1, "cpu": CORE_HOUR}.get(unit_type, GIB)
    alive = [t for t in things if t.source_type == source_type and t.born < days - 60 and t.dies > days]
    if aggregation == "count":
        return len(alive)
    mean = sum(s.mean * (1 + s.growth) for t in alive for s in t.shapes if s.unit_type == unit_type) / divisor
    return mean * HOURS_PER_MONTH if aggregation == "sum" else mean
