"""Draws single things of the demo's world: machines with plausible sizes, lives and usage."""

from dataclasses import dataclass, field, replace

import numpy as np

from deploy.demo.plans import CORE_HOUR, GIB, Shape, Thing

# Of it the aggregator knows nothing before somebody creates it, so readings of it are quarantined.
UNKNOWN_UNIT = "gpu"
SITES = ("frankfurt", "newark", "tokyo")
FOREVER = 1_000_000
# Third octet of the network that firms without one of their own share.
SHARED_NETWORK = 100
_HYPERVISORS_PER_SITE = 4


def hypervisor(site: str, identity: int) -> str:
    """Name of the agent that meters a VM."""
    return f"hv-{site}-{identity % _HYPERVISORS_PER_SITE + 1}"


def address(site: str, network: int, identity: int) -> str:
    """Of a VM; a /24 holds one firm's, or those of firms that share."""
    return f"10.{20 + SITES.index(site)}.{network}.{identity % 250 + 1}"


@dataclass(slots=True)
class Builder:
    """Draws the world; the order of draws is part of what the seed means. Days count from the backfill's start."""

    rng: np.random.Generator
    days: int
    by_agent: dict[tuple[str, str], list[Thing]] = field(default_factory=dict)
    identity: int = 0

    def next_identity(self) -> int:
        """Of a VM; its number all over the world."""
        self.identity += 1
        return self.identity

    def add(self, agent: str, site: str, thing: Thing) -> None:
        """What the agent of that site meters."""
        self.by_agent.setdefault((agent, site), []).append(thing)

    def lifetime(self) -> tuple[int, int]:
        """Most are there all year, some came, some went, a few came this month."""
        draw = self.rng.random()
        if draw < 0.62:
            return 0, FOREVER
        if draw < 0.82:
            return int(self.rng.integers(5, self.days - 40)), FOREVER
        if draw < 0.92:
            born = int(self.rng.integers(0, self.days // 2))
            return born, born + int(self.rng.integers(30, self.days // 2))
        return self.days - int(self.rng.integers(1, 25)), FOREVER

    def vm(
        self,
        *,
        name: str,
        client: str,
        identity: int,
        address: str,
        labels: tuple[tuple[str, str], ...],
        span: tuple[int, int] | None = None,
        vcpus: tuple[int, ...] = (1, 2, 2, 4, 4, 8, 16),
    ) -> Thing:
        """Its life is drawn unless ``span`` (first day, day after the last) says it."""
        born, dies = self.lifetime() if span is None else span
        vcpu = int(self.rng.choice(vcpus))
        traffic = float(self.rng.lognormal(-2.2, 1.0)) * GIB
        return Thing(
            source_type="vm",
            external_id=f"5ca1ab1e-{identity:04x}-4000-8000-{identity * 7919:012x}",
            name=name,
            address=address,
            labels=labels,
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

    def host(
        self,
        *,
        prefix: str,
        client: str,
        site: str,
        number: int,
        volumes_since: int = 0,
        gpu_since: int | None = None,
    ) -> None:
        """A machine with an agent of its own and two volumes.

        From day ``gpu_since`` on its agent reports a unit type that the aggregator does not know.
        """
        name = f"{prefix}-metal-{number:02d}"
        cores = int(self.rng.choice([16, 32, 48]))
        machine = self.machine(name, f"machine-{prefix}-{number}", client=client, cores=cores)
        if gpu_since is not None:
            machine = replace(machine, shapes=(*machine.shapes, _gpu(gpu_since)))
        self.add(name, site, machine)
        for mount in ("srv", "data"):
            self._volume(
                name, site, prefix=prefix, number=number, mount=mount, client=client, born=volumes_since
            )

    def machine(self, name: str, external_id: str, *, client: str, cores: int) -> Thing:
        """As its own agent meters it."""
        return Thing(
            source_type="host",
            external_id=external_id,
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
        )

    def _volume(
        self, host: str, site: str, *, prefix: str, number: int, mount: str, client: str, born: int
    ) -> None:
        size = float(self.rng.integers(40, 900))
        self.add(
            host,
            site,
            Thing(
                source_type="volume",
                external_id=f"{prefix}-{number}-{mount}",
                name=f"{host}:/{mount}",
                client=client,
                born=born,
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

    def database(
        self, *, prefix: str, client: str, number: int, span: tuple[int, int] | None = None, name: str = ""
    ) -> Thing:
        """Its life is drawn unless ``span`` says it."""
        drawn = self.lifetime()
        born, dies = span or drawn
        return Thing(
            source_type="database",
            external_id=f"pg-{prefix}-{number}",
            name=name or f"{prefix}-pg-{number}",
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


def _gpu(born: int) -> Shape:
    return Shape(unit_type=UNKNOWN_UNIT, amount=True, mean=0.2 * CORE_HOUR, swing=0.5, noise=0.2, born=born)
