"""Collectors beside one another: none waits for another, and none speaks for another."""

import sys
import threading

from agent.amounts import Answer, measure
from agent.collect import Collection
from agent.collectors import COLLECTORS, programs
from agent.memory import MemorySpool
from agent.snapshot import Collector, Snapshot
from tests.unit.agent.made import FakeClock, Source, counter, level, thing


def collection(collectors: dict[str, Collector], *, seconds_max: float = 20.0) -> Collection:
    return Collection(
        collectors,
        spool=MemorySpool(),
        clock=FakeClock(),
        interval_seconds=60,
        collector_seconds_max=seconds_max,
    )


async def test_all_are_asked_at_once() -> None:
    # Each answers only when the other has been asked as well.
    both = threading.Barrier(2, timeout=10)

    def says() -> Snapshot:
        both.wait()
        return Snapshot()

    answers = await collection({"a": Source("host", says=says), "b": Source("vm", says=says)}).ask()
    assert [(answer.collector, answer.failure) for answer in answers] == [("a", ""), ("b", "")]


async def test_a_program_that_hangs_is_missed_alone() -> None:
    """Row 50 of the fault catalogue, as the agent sees it."""
    sections = [
        programs.Section(
            name=name,
            command=[sys.executable, "-I", "-c", code],
            source_types=[name],
            timeout_seconds=seconds,
        )
        for name, code, seconds in (
            ("hangs", "import time; time.sleep(600)", 0.3),
            ("floods", "import os\nwhile True: os.write(1, b'x' * 65536)", 8.0),
            ("babbles", "print('not json')", 8.0),
            ("fails", "raise SystemExit(1)", 8.0),
        )
    ]
    host: dict[str, Collector] = {"host": Source("host", says=lambda: Snapshot(levels=(level(5),)))}
    made = collection({**host, **COLLECTORS["exec"].make(sections)})
    (tick,) = (await made.tick(FakeClock().stamp())).ticks
    assert (tick.reported, tick.failed) == (("host",), ("hangs", "floods", "babbles", "fails"))
    assert [reading.value for reading in tick.readings] == [5]


async def test_what_a_failing_program_counted_is_in_the_next_difference() -> None:
    says = {"value": 100, "fails": False}

    def snapshot() -> Snapshot:
        if says["fails"]:
            raise TimeoutError("gone")
        return Snapshot(counters=(counter(says["value"], of=thing(source_type="database"), identity="x"),))

    made = collection({"exec:x": Source("database", says=snapshot)})
    amounts: list[int] = []
    for value, fails in ((100, False), (150, True), (180, False)):
        says.update(value=value, fails=fails)
        measured = await made.tick(FakeClock().stamp())
        amounts += [reading.value for tick in measured.ticks for reading in tick.readings]
    assert amounts == [80]


def test_a_source_type_is_reported_when_all_of_its_collectors_answered() -> None:
    here = Snapshot(levels=(level(1, of=thing("a", "container")),))
    answers = [
        Answer("cgroups", ("container", "service"), here),
        Answer("docker", ("container",), None, "gone"),
    ]
    (tick,) = measure(FakeClock().stamp(), answers, {}).ticks
    # What Docker would have said is unknown; that there are no other containers cannot be said.
    assert (tick.reported, tick.failed) == (("service",), ("container",))
    assert [reading.value for reading in tick.readings] == [1]


def test_a_series_that_two_collectors_report_counts_once_and_the_second_has_failed() -> None:
    both = Snapshot(levels=(level(7),))
    answers = [
        Answer("host", ("host",), both),
        Answer("exec:x", ("database", "host"), both),
    ]
    measured = measure(FakeClock().stamp(), answers, {})
    assert [reading.value for tick in measured.ticks for reading in tick.readings] == [7]
    assert measured.failures == {
        "exec:x": "ram of host a is reported by host as well: leave it out in one",
    }


def test_a_source_type_is_named_once_however_many_report_it() -> None:
    answers = [Answer(f"exec:{name}", ("database",), Snapshot()) for name in "ab"]
    (tick,) = measure(FakeClock().stamp(), answers, {}).ticks
    assert tick.reported == ("database",)
