"""Whatever counters and collectors do: what is emitted is what happened as far as it could be seen, over seamless spans."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from agent.amounts import Answer, Baselines, Stamp, Tick, measure
from agent.snapshot import Counter, Snapshot, asset
from tests.unit.agent.made import MINUTE_US, NOON_US


@dataclass
class Life:
    """One object's life under one identity, with the truth that nobody can see."""

    identity: str
    value: int = 0
    # When it began, by the boot's clock, or None when that cannot be known.
    started_us: int | None = None
    began_after_success: bool = True
    at_success: int | None = None
    used_since: int = 0
    went_back: bool = False


@dataclass
class Host:
    """One collector's world: lives come, count, go; the oracle counts what a perfect observer of the rules would."""

    name: str
    lives: dict[str, Life] = field(default_factory=dict)
    born: int = 0
    expected: int = 0
    last_success_us: int | None = None

    def be_born(self, now_us: int, *, known: bool) -> None:
        self.born += 1
        life = Life(f"life-{self.born}", started_us=now_us if known else None)
        self.lives[life.identity] = life

    def use(self, amount: int) -> None:
        for life in self.lives.values():
            life.value += amount
            life.used_since += amount

    def fall_back(self) -> None:
        for life in self.lives.values():
            life.value, life.went_back = life.value // 2, True

    def reboot(self, *, known: bool) -> None:
        """Everything begins anew; identities may well repeat, so these do."""
        for life in self.lives.values():
            life.value, life.used_since, life.went_back = 0, 0, False
            life.at_success, life.began_after_success = None, True
            life.started_us = 0 if known else None

    def succeed(self, wall_us: int) -> int:
        """What this successful tick must carry."""
        carried = 0
        for life in self.lives.values():
            if self.last_success_us is not None:
                carried += self._seen(life)
            life.at_success, life.used_since, life.went_back = life.value, 0, False
            life.began_after_success = False
        self.last_success_us = wall_us
        self.expected += carried
        return carried

    def _seen(self, life: Life) -> int:
        if life.at_success is None:
            return life.value if life.started_us is not None and life.began_after_success else 0
        if life.went_back:
            # The fall itself cannot be told from use when the counter has passed its old value again.
            return max(0, life.value - life.at_success)
        return life.used_since

    def snapshot(self) -> Snapshot:
        thing = asset(self.name, "it")
        return Snapshot(
            counters=tuple(
                Counter(thing, "cpu", life.value, life.identity, life.started_us)
                for life in self.lives.values()
            )
        )


EVENTS = st.lists(
    st.sampled_from(
        ["born known", "born unknown", "use", "use much", "die", "fall back", "reboot", "reboot unknown"]
    ),
    max_size=4,
)
STEPS = st.lists(
    st.tuples(EVENTS, EVENTS, st.sets(st.sampled_from(["host", "mounts"])), st.integers(1, 90)), max_size=25
)


def happen(host: Host, event: str, now_us: int) -> None:
    match event:
        case "born known" | "born unknown":
            host.be_born(now_us, known=event == "born known")
        case "use" | "use much":
            host.use(7 if event == "use" else 10_000)
        case "die" if host.lives:
            del host.lives[min(host.lives)]
        case "fall back":
            host.fall_back()
        case _:
            return


@given(STEPS)
def test_the_sum_of_the_amounts_is_what_could_be_seen_and_spans_are_seamless(
    steps: list[tuple[list[str], list[str], set[str], int]],
) -> None:
    hosts = {"host": Host("host"), "mounts": Host("mounts")}
    baselines: Baselines = {}
    wall_us, boottime_us, boot = NOON_US, MINUTE_US, 1
    emitted = dict.fromkeys(hosts, 0)
    for first, second, broken, minutes in steps:
        for name, events in (("host", first), ("mounts", second)):
            for event in events:
                boottime_us += 1
                wall_us += 1
                if event.startswith("reboot"):
                    boot += 1
                    boottime_us = 1
                    for host in hosts.values():
                        host.reboot(known=event == "reboot")
                happen(hosts[name], event, boottime_us)
        wall_us += minutes * MINUTE_US
        boottime_us += minutes * MINUTE_US
        before = {name: host.last_success_us for name, host in hosts.items()}
        answers = [
            Answer(name, (name,), None, "broken")
            if name in broken
            else Answer(name, (name,), host.snapshot())
            for name, host in hosts.items()
        ]
        measured = measure(Stamp(wall_us, boottime_us, f"boot-{boot}"), answers, baselines)
        baselines = measured.baselines
        for name, host in hosts.items():
            ticks = [tick for tick in measured.ticks if name in tick.reported]
            if name in broken:
                assert ticks == []
                assert name in {failed for tick in measured.ticks for failed in tick.failed}
                continue
            carried = host.succeed(wall_us)
            assert_one_seamless_tick(ticks, before[name], wall_us)
            got = sum(reading.value for reading in ticks[0].readings if reading.asset.source_type == name)
            assert got == carried
            emitted[name] += got
    assert emitted == {name: host.expected for name, host in hosts.items()}


def assert_one_seamless_tick(ticks: list[Tick], previous_us: int | None, now_us: int) -> None:
    """Exactly one span, which begins where the last one ended."""
    assert len(ticks) == 1
    assert ticks[0].ticked_at_us == now_us
    assert ticks[0].since_us == (now_us if previous_us is None else previous_us)
