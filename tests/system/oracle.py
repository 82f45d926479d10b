"""What the demo's simulated agents must come to, worked out from their batches alone.

Slow and obvious on purpose: one reading after the other, plain integers, no SQL, none of the aggregator's code but the
calendar of periods, which has tests of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from deploy.demo.folder import State
from deploy.demo.plans import CORE_HOUR, GIB, BucketPlan, TemplatePlan, World
from deploy.demo.simulated import Simulation
from ullage.v1.ingest_pb2 import AssetEntry, Batch, Dictionary
from ullage.wire import from_micros

DIVISORS = {"vcpu": 1, "cpu": CORE_HOUR}
PLACES = Decimal("0.0001")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading of a day of hourly ticks."""

    at: datetime
    source_type: str
    external_id: str
    unit_type: str
    value: int


# What becomes of a reading.
STORED, SUPPRESSED, QUARANTINED = "stored", "suppressed", "quarantined"
_SUPPRESSED_NAMES = "packer-"
_UNKNOWN_UNITS = {"gpu"}


def readings_through(simulation: Simulation, seq: int) -> Counter[str]:
    """How many readings of the agent's batches 1 to ``seq`` are stored, suppressed and quarantined."""
    found: Counter[str] = Counter()
    for number in range(1, seq + 1):
        batch = Batch.FromString(simulation.payload(number).payload)
        fates = [_fate(asset, unit_type) for asset, unit_type in _series(batch)]
        found.update(fates[index] for tick in batch.ticks for index in tick.series)
    return found


def _series(batch: Batch) -> Iterator[tuple[AssetEntry, str]]:
    dictionary = Dictionary.FromString(batch.dictionary)
    return ((dictionary.assets[series.asset], series.unit_type) for series in dictionary.series)


def _fate(asset: AssetEntry, unit_type: str) -> str:
    if asset.name.startswith(_SUPPRESSED_NAMES):
        return SUPPRESSED
    return QUARANTINED if unit_type in _UNKNOWN_UNITS else STORED


def measured(world: World, state: State) -> list[Measured]:
    """Every reading of the days with hourly ticks."""
    found = []
    for number, agent in enumerate(world.agents):
        simulation = Simulation(agent, number, state)
        for seq in range(1, state.days + 1):
            batch = Batch.FromString(simulation.payload(seq).payload)
            series = list(_series(batch))
            for tick in batch.ticks:
                at = from_micros(tick.ticked_at_us)
                for index, value in zip(tick.series, tick.values, strict=True):
                    asset, unit_type = series[index]
                    found.append(Measured(at, asset.source_type, asset.external_id, unit_type, value))
    return found


def quantity(
    readings: list[Measured],
    plan: BucketPlan | TemplatePlan,
    *,
    mine: Mapping[tuple[str, str], datetime],
    start: datetime,
    end: datetime,
) -> Decimal:
    """The billed quantity of a bucket over [start, end), of the assets in ``mine`` (source type, external id).

    Each from its own time on.

    An hourly tick at T is of the slot (T - 1 h, T], so a period has the ticks in (start, end].
    """
    by_hour: defaultdict[datetime, int] = defaultdict(int)
    assets = set()
    for reading in readings:
        key = (reading.source_type, reading.external_id)
        wanted = (plan.source_type, plan.unit_type) == (reading.source_type, reading.unit_type)
        if wanted and key in mine and max(start, mine[key]) < reading.at <= end:
            by_hour[reading.at] += reading.value
            assets.add(key)
    if plan.aggregation == "count":
        return Decimal(len(assets))
    hours = (end - start) // HOUR
    steps = {
        "sum": Decimal(sum(by_hour.values())),
        "avg": Decimal(sum(by_hour.values())) / hours,
        "max": Decimal(max(by_hour.values(), default=0)),
        "last": Decimal(by_hour.get(end, 0)),
    }[plan.aggregation]
    return (steps / DIVISORS.get(plan.unit_type, GIB)).quantize(PLACES, rounding=ROUND_HALF_UP)


def whole_periods_end(state: State) -> datetime:
    """No later period end is covered by hourly ticks alone."""
    return datetime.combine(state.switch, datetime.min.time(), UTC)
