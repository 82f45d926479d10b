"""What the demo's world is described by: clients with their agreements, agents with what they meter. Data alone."""

from dataclasses import dataclass
from decimal import Decimal

SEED = 20_260_101
GIB = 1 << 30
CORE_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one series behaves.

    ``mean`` is in steps: of a level, its value; of an amount, what an hour brings on average. ``growth`` is the
    relative change over a year, ``swing`` how much working hours stand out (0 to 1), ``noise`` the relative jitter.
    It is read from day ``born`` on, if its asset is there.
    """

    unit_type: str
    amount: bool
    mean: float
    growth: float = 0.0
    swing: float = 0.0
    noise: float = 0.0
    born: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A metered asset: there from day ``born`` until before day ``dies`` (days since the backfill's start)."""

    source_type: str
    external_id: str
    name: str
    address: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    # Name of the client who is billed for it, by a rule or by the operator's hand; empty: nobody, so it stays unassigned.
    client: str = ""
    # Whose it will turn out to be, of one that is nobody's yet: known to tests alone. "-": not to be billed at all.
    probably: str = ""
    # The operator came upon it late and bound it by hand from that day on, into final time; 0: no.
    found_from: int = 0
    born: int = 0
    dies: int = 1_000_000
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class SimulatedAgent:
    """An agent of a site with what it meters; ``silent``: nothing comes of it after the hourly days."""

    name: str
    site: str
    things: tuple[Thing, ...]
    silent: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePlan:
    """What provisioning makes buckets by: prices (base, overage) by currency; a currency left out gets none."""

    source_type: str
    unit_type: str
    aggregation: str
    prices: tuple[tuple[str, Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class World:
    """Everything the demo sets up but for this host."""

    clients: tuple[ClientPlan, ...]
    templates: tuple[TemplatePlan, ...]
    agents: tuple[SimulatedAgent, ...]
