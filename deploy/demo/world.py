"""The world of the demo: a dozen clients and what simulated agents meter for them, all from one seed.

Pure data: no clock, no network. The same seed and day give the same figures whatever range is asked for, so a demo that
was interrupted goes on with byte-for-byte the batches it would have sent.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

SEED = 20_260_101
GIB = 1 << 30
CORE_HOUR = 3_600_000
HOURS_PER_MONTH = 730
DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one series behaves.

    ``mean`` is in steps: of a level, its value; of an amount, what an hour brings on average. ``growth`` is the
    relative change over a year, ``swing`` how much working hours stand out (0 to 1), ``noise`` the relative jitter.
    """

    unit_type: str
    amount: bool
    mean: float
    growth: float = 0.0
    swing: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A metered asset: there from day ``born`` until before day ``dies`` (days since the backfill's start)."""

    source_type: str
    external_id: str
    name: str
    address: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    # Name of the client whose rules are meant to take it; empty: nobody's, so it stays unassigned.
    client: str = ""
    born: int = 0
    dies: int = 1_000_000
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class SimulatedAgent:
    """An agent of a site with what it meters."""

    name: str
    site: str
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlan:
    """A bucket to create; quantities in billed units."""

    name: str
    source_type: str
    unit_type: str
    aggregation: str
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPlan:
    """A client to create, with the prefix by which its assets are named."""

    name: str
    prefix: str
    currency: str
    time_zone: str
    cycle_unit: str = "month"
    cycle_count: int = 1
    # Day of the month on which its periods start.
    anchor_day: int = 1
    buckets: tuple[BucketPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """Everything the demo sets up but for this host."""

    clients: tuple[ClientPlan, ...]
    agents: tuple[SimulatedAgent, ...]


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
    # What the firm is billed for; a source type left out makes its assets of that type unbound.
    billed: tuple[str, ...] = ("vm", "host", "volume", "database")


_FIRMS = (
    _Firm("Alder Logistics", "alder", "EUR", "Europe/Berlin", 26),
    _Firm("Brightwater Clinics", "bwc", "USD", "America/New_York", 22),
    _Firm("Cobalt Foundry", "cobalt", "EUR", "Europe/Paris", 18, anchor_day=15),
    _Firm("Dunmore Press", "dunmore", "GBP", "Europe/London", 9),
    _Firm("Eastgate Housing", "eastgate", "GBP", "Europe/London", 12, billed=("vm", "host", "volume")),
    _Firm("Fennel & Rye", "fennel", "USD", "America/Chicago", 6),
    _Firm("Granite Mutual", "granite", "USD", "America/New_York", 30),
    _Firm("Harbour Lines", "harbour", "JPY", "Asia/Tokyo", 14),
    _Firm("Ionic Labs", "ionic", "USD", "America/Los_Angeles", 16, anchor_day=31),
    _Firm("Juniper Retail", "juniper", "EUR", "Europe/Madrid", 20, cycle_unit="week", cycle_count=4),
    _Firm("Kestrel Air", "kestrel", "USD", "UTC", 11, billed=("vm", "host", "database")),
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

_SITES = ("frankfurt", "newark", "tokyo")
_HYPERVISORS_PER_SITE = 4
_ROLES = ("web", "app", "db", "cache", "mail", "files", "build", "mon")
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
_COMMIT_SHARES = (0.0, 0.8, 0.92, 1.0, 1.05, 1.15, 1.35, 1.9)


@dataclass(slots=True)
class _Builder:
    """Draws the world; the order of draws is part of what the seed means."""

    rng: np.random.Generator
    days: int
    by_agent: dict[tuple[str, str], list[Thing]] = field(default_factory=dict)

    def add(self, agent: str, site: str, thing: Thing) -> None:
        self.by_agent.setdefault((agent, site), []).append(thing)

    def lifetime(self) -> tuple[int, int]:
        """Most are there all year, some came, some went, a few came this month."""
        draw = self.rng.random()
        if draw < 0.62:
            return 0, 1_000_000
        if draw < 0.82:
            return int(self.rng.integers(5, self.days - 40)), 1_000_000
        if draw < 0.92:
            born = int(self.rng.integers(0, self.days // 2))
            return born, born + int(self.rng.integers(30, self.days // 2))
        return self.days - int(self.rng.integers(1, 25)), 1_000_000

    def vm(self, *, name: str, client: str, identity: int) -> Thing:
        born, dies = self.lifetime()
        vcpu = int(self.rng.choice([1, 2, 2, 4, 4, 8, 16]))
        traffic = float(self.rng.lognormal(-2.2, 1.0)) * GIB
        return Thing(
            source_type="vm",
            external_id=f"5ca1ab1e-{identity:04x}-4000-8000-{identity * 7919:012x}",
            name=name,
            address=f"10.{identity % 200}.{identity // 200}.{identity % 250 + 1}",
            labels=(("role", name.split("-")[-2] if name.count("-") >= 2 else "lab"),),
            client=client,
            born=born,
            dies=dies,
            shapes=(
                Shape(unit_type="vcpu", amount=False, mean=vcpu),
                Shape(unit_type="ram", amount=False, mean=vcpu * int(self.rng.choice([2, 4, 4, 8])) * GIB),
                Shape(
                    unit_type="net-out",
                    amount=True,
                    mean=traffic,
                    growth=float(self.rng.normal(0.2, 0.3)),
                    swing=0.7,
                    noise=0.25,
                ),
            ),
        )

    def host(self, *, prefix: str, client: str, site: str, number: int) -> None:
        name = f"{prefix}-metal-{number:02d}"
        cores = int(self.rng.choice([16, 32, 48]))
        self.add(
            name,
            site,
            Thing(
                source_type="host",
                external_id=f"machine-{prefix}-{number}",
                name=name,
                client=client,
                shapes=(
                    Shape(
                        unit_type="cpu",
                        amount=True,
                        mean=cores * 0.3 * CORE_HOUR,
                        growth=0.15,
                        swing=0.6,
                        noise=0.15,
                    ),
                    Shape(unit_type="ram", amount=False, mean=cores * 4 * GIB),
                ),
            ),
        )
        for mount in ("srv", "data"):
            size = float(self.rng.integers(40, 900))
            self.add(
                name,
                site,
                Thing(
                    source_type="volume",
                    external_id=f"{prefix}-{number}-{mount}",
                    name=f"{name}:/{mount}",
                    client=client,
                    shapes=(
                        Shape(
                            unit_type="disk-used",
                            amount=False,
                            mean=size * GIB,
                            growth=float(self.rng.uniform(0.0, 0.5)),
                            noise=0.002,
                        ),
                    ),
                ),
            )

    def database(self, *, prefix: str, client: str, number: int) -> Thing:
        born, dies = self.lifetime()
        return Thing(
            source_type="database",
            external_id=f"pg-{prefix}-{number}",
            name=f"{prefix}-pg-{number}",
            client=client,
            born=born,
            dies=dies,
            shapes=(
                Shape(
                    unit_type="disk-used",
                    amount=False,
                    mean=float(self.rng.lognormal(3.0, 0.8)) * GIB,
                    growth=0.4,
                    noise=0.004,
                ),
            ),
        )


def build(*, days: int, seed: int = SEED) -> World:
    """The world for a backfill of ``days`` whole days."""
    builder = _Builder(np.random.default_rng(seed), days)
    clients = []
    identity = 0
    for number, firm in enumerate(_FIRMS):
        site = _SITES[number % len(_SITES)]
        things_before = {key: len(things) for key, things in builder.by_agent.items()}
        for index in range(firm.size):
            identity += 1
            role = _ROLES[int(builder.rng.integers(len(_ROLES)))]
            thing = builder.vm(
                name=f"{firm.prefix}-{role}-{index + 1:02d}", client=firm.name, identity=identity
            )
            builder.add(f"hv-{site}-{identity % _HYPERVISORS_PER_SITE + 1}", site, thing)
        for index in range(1 + firm.size // 12):
            builder.host(prefix=firm.prefix, client=firm.name, site=site, number=index + 1)
        for index in range(1 + firm.size // 8):
            builder.add(
                f"hv-{site}-1", site, builder.database(prefix=firm.prefix, client=firm.name, number=index + 1)
            )
        mine = [
            thing for key, things in builder.by_agent.items() for thing in things[things_before.get(key, 0) :]
        ]
        clients.append(_client(builder.rng, firm, mine, days))
    for index in range(14):
        identity += 1
        site = _SITES[index % len(_SITES)]
        thing = builder.vm(name=f"lab-{index + 1}", client="", identity=identity)
        builder.add(f"hv-{site}-{identity % _HYPERVISORS_PER_SITE + 1}", site, thing)
    agents = tuple(
        SimulatedAgent(name, site, tuple(things)) for (name, site), things in sorted(builder.by_agent.items())
    )
    return World((*clients, HOUSE), agents)


def _client(rng: np.random.Generator, firm: _Firm, things: list[Thing], days: int) -> ClientPlan:
    buckets = []
    for (source_type, unit_type), (label, aggregation, price) in _PRICES.items():
        usage = _expected(things, source_type, unit_type, aggregation, days)
        share = float(rng.choice(_COMMIT_SHARES))
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


def usage_of_day(
    agent: SimulatedAgent, *, agent_number: int, day: int, weekday: int, steps: int, seed: int = SEED
) -> NDArray[np.int64]:
    """What all series of an agent (things in order, shapes in order) measure on one day, as whole steps.

    Shape (steps, series): 24 steps for hourly ticks, 288 for five minutes. Amounts are of the step that ends there.
    ``day`` counts from the backfill's start, ``weekday`` is 0 for Monday. Draws depend on (seed, agent, day, steps)
    only. Whether a thing exists on that day is the caller's to ask.
    """
    shapes = [shape for thing in agent.things for shape in thing.shapes]
    rng = np.random.Generator(np.random.Philox(key=[seed << 32 | agent_number, day << 16 | steps]))
    mean = np.array([s.mean for s in shapes])
    amount = np.array([s.amount for s in shapes])
    growth = np.array([s.growth for s in shapes])
    swing = np.array([s.swing for s in shapes])
    noise = np.array([s.noise for s in shapes])
    hours = (np.arange(steps) + 1) * 24.0 / steps
    # Busiest at 14:00, quiet at night; a weekend has two fifths of a working day's swing. Averages to about 1.
    bump = np.sin((hours - 8.0) * np.pi / 12.0) * (1.0 if weekday < 5 else 0.4)
    level = mean * (1.0 + growth * day / DAYS_PER_YEAR)
    values = level * (1.0 + np.outer(bump, swing)) * (1.0 + noise * rng.standard_normal((steps, len(shapes))))
    values = np.where(amount, values * 24.0 / steps, values)
    return np.maximum(np.rint(values), 0.0).astype(np.int64)
