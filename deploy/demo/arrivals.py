"""What came up without following anybody's naming: of old what the operator assigned by hand, and some forty assets of
the last days that nobody has seen to.

The rules of the demo's clients take names that begin with the client's prefix; none of these do. Which client they
belong to is told, to somebody who looks, by what they have in common with others.
"""

from dataclasses import dataclass, replace

from deploy.demo.builder import FOREVER, SHARED_NETWORK, Builder, address, hypervisor
from deploy.demo.plans import Shape

# Never billed: what is only tried out.
NOBODY = "-"
# Since when the operator bills what was found too late; far enough to reach into final time on any day of a month.
_FOUND_DAYS = 40
_SMALL = (1, 2, 2)
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """VMs that are named alike: ``known`` that were assigned by hand long ago, then ``new`` of the last days."""

    pattern: str
    client: str
    site: str
    network: int
    labels: Labels
    known: int
    new: int
    # Days ago that the first of the new ones came, and how many came a day.
    since: int
    a_day: int


_GROUPS = (
    _Group(
        pattern="fra1-web-alder-{:02d}",
        client="Alder Logistics",
        site="frankfurt",
        network=1,
        labels=(("role", "web"), ("owner", "alder")),
        known=4,
        new=12,
        since=3,
        a_day=6,
    ),
    # The first cluster that Granite has: nothing of old is named so, its labels and network alone tell.
    _Group(
        pattern="k8s-pool-gm-{:02d}",
        client="Granite Mutual",
        site="frankfurt",
        network=7,
        labels=(("role", "k8s"), ("owner", "granite")),
        known=0,
        new=8,
        since=4,
        a_day=8,
    ),
    _Group(
        pattern="ewr2-app-bw{:02d}",
        client="Brightwater Clinics",
        site="newark",
        network=2,
        labels=(("role", "app"),),
        known=3,
        new=4,
        since=2,
        a_day=2,
    ),
    _Group(
        pattern="edi-{}",
        client="Harbour Lines",
        site="newark",
        network=8,
        labels=(("customer", "harbour"),),
        known=0,
        new=3,
        since=5,
        a_day=1,
    ),
    _Group(
        pattern="pos-mad-{}",
        client="Juniper Retail",
        site="frankfurt",
        network=10,
        labels=(),
        known=3,
        new=3,
        since=2,
        a_day=3,
    ),
    _Group(
        pattern="sf-bastion-{}",
        client="Ionic Labs",
        site="tokyo",
        network=SHARED_NETWORK,
        labels=(("role", "bastion"),),
        known=2,
        new=1,
        since=1,
        a_day=1,
    ),
    _Group(
        pattern="cms-print-{}",
        client="Dunmore Press",
        site="frankfurt",
        network=SHARED_NETWORK,
        labels=(("owner", "dunmore"),),
        known=1,
        new=1,
        since=4,
        a_day=1,
    ),
    _Group(
        pattern="dr-gateway-{}",
        client="Cobalt Foundry",
        site="tokyo",
        network=SHARED_NETWORK,
        labels=(("role", "gateway"),),
        known=1,
        new=0,
        since=0,
        a_day=1,
    ),
    # In the network of several, with a label of one and a label of another: it may be Cobalt's, and is.
    _Group(
        pattern="dr-replica-{}",
        client="Cobalt Foundry",
        site="tokyo",
        network=SHARED_NETWORK,
        labels=(("owner", "cobalt"), ("backup", "weekly")),
        known=0,
        new=1,
        since=3,
        a_day=1,
    ),
)
# Names that say nothing, in the network of many.
_RIDDLES = (("ubuntu-22-template", "frankfurt", 5), ("new-vm-1", "newark", 2), ("win-7h2k9q", "tokyo", 1))
_TESTS = ("test-upgrade-1", "test-restore-2")
# Short-lived: each was there for a day.
_RUNNERS = 4
# Image builds, one a day; the operator keeps them out.
_PACKERS = 20
# Left over from trials; the operator disregarded the first two.
LABS = ("lab-1", "lab-2", "lab-3", "lab-4")


def add_arrivals(builder: Builder) -> None:
    """Adds all of them; what they are billed as comes later than the agreements, so some of it is overage."""
    for group in _GROUPS:
        _add_group(builder, group)
    _add_databases(builder)
    days = builder.days
    for name, site, since in _RIDDLES:
        _add(builder, name, site, span=(days - since, FOREVER), probably="?")
    for number, name in enumerate(_TESTS):
        _add(builder, name, "frankfurt", span=(days - 2 - number, FOREVER), probably=NOBODY)
    for number in range(_RUNNERS):
        day = days - 1 - number // 2
        _add(builder, f"ci-runner-{4711 + 13 * number}", "newark", span=(day, day + 1), probably=NOBODY)
    for number in range(_PACKERS):
        day = days - 1 - number
        _add(builder, f"packer-{9000 + 7 * number}", "newark", span=(day, day + 1), probably=NOBODY)
    for number, name in enumerate(LABS):
        _add(builder, name, "tokyo", span=(days - 70 + number, FOREVER), probably=NOBODY)
    _add_found(builder)
    _add_new_image(builder)
    _add_seen_twice(builder)


def _add_group(builder: Builder, group: _Group) -> None:
    for index in range(group.known + group.new):
        late = index - group.known
        identity = builder.next_identity()
        born = builder.days - (group.since - late // group.a_day if late >= 0 else 75 - index)
        thing = builder.vm(
            name=group.pattern.format(index + 1),
            client=group.client if late < 0 else "",
            identity=identity,
            address=address(group.site, group.network, identity),
            labels=group.labels,
            span=(born, FOREVER),
        )
        if late >= 0:
            thing = replace(thing, probably=group.client)
        builder.add(hypervisor(group.site, identity), group.site, thing)


def _add_databases(builder: Builder) -> None:
    """Kestrel's for analyses: two of old, three of the last days, named by what they are for."""
    for number in range(1, 6):
        new = number > 2
        born = builder.days - (3 if new else 80)
        thing = builder.database(
            prefix="analytics", client="", number=number, span=(born, FOREVER), name=f"analytics-ka-{number}"
        )
        owner = "Kestrel Air"
        thing = replace(thing, probably=owner) if new else replace(thing, client=owner)
        builder.add("hv-newark-1", "newark", thing)


def _add_found(builder: Builder) -> None:
    """A VM of Fennel & Rye that ran for weeks before somebody asked whose it is."""
    identity = builder.next_identity()
    site, days = "tokyo", builder.days
    thing = builder.vm(
        name="ord-batch-3",
        client="Fennel & Rye",
        identity=identity,
        address=address(site, SHARED_NETWORK, identity),
        labels=(("backup", "weekly"),),
        span=(days - 60, FOREVER),
        vcpus=(4,),
    )
    builder.add(hypervisor(site, identity), site, replace(thing, found_from=days - _FOUND_DAYS))


def _add_new_image(builder: Builder) -> None:
    """A mail server of Cobalt that was set up again two days ago: the same name and address, another id."""
    site, again = "tokyo", builder.days - 2
    first, second = builder.next_identity(), builder.next_identity()
    old = builder.vm(
        name="cobalt-mail-90",
        client="Cobalt Foundry",
        identity=first,
        address=address(site, SHARED_NETWORK, first),
        labels=(("role", "mail"), ("owner", "cobalt")),
        span=(builder.days - 85, again),
    )
    twin = builder.vm(
        name=old.name,
        client=old.client,
        identity=second,
        address=old.address,
        labels=old.labels,
        span=(again, FOREVER),
    )
    builder.add(hypervisor(site, first), site, old)
    builder.add(hypervisor(site, first), site, replace(twin, shapes=_same_size(old.shapes, twin.shapes)))


def _add_seen_twice(builder: Builder) -> None:
    """A VM of Alder with an agent inside: its hypervisor meters it, and it meters itself."""
    site, identity, name = "frankfurt", builder.next_identity(), "alder-erp-1"
    span = (builder.days - 65, FOREVER)
    vm = builder.vm(
        name=name,
        client="Alder Logistics",
        identity=identity,
        address=address(site, 1, identity),
        labels=(("role", "erp"), ("owner", "alder")),
        span=span,
        vcpus=(4,),
    )
    builder.add(hypervisor(site, identity), site, vm)
    host = builder.machine(name, "machine-erp-1", client=vm.client, cores=4)
    labels = (("smbios_uuid", vm.external_id),)
    builder.add(name, site, replace(host, labels=labels, born=span[0], address=vm.address))


def _same_size(old: tuple[Shape, ...], new: tuple[Shape, ...]) -> tuple[Shape, ...]:
    return tuple(replace(shape, mean=was.mean) for was, shape in zip(old, new, strict=True))


def _add(builder: Builder, name: str, site: str, *, span: tuple[int, int], probably: str) -> None:
    identity = builder.next_identity()
    thing = builder.vm(
        name=name,
        client="",
        identity=identity,
        address=address(site, SHARED_NETWORK, identity),
        labels=(),
        span=span,
        vcpus=_SMALL,
    )
    builder.add(hypervisor(site, identity), site, replace(thing, probably=probably))
