"""Each rule by which counters become amounts, one by one; test_amounts_hold.py tries them in any order."""

from agent.amounts import Answer, Baselines, Measured, Stamp, measure
from agent.snapshot import VALUE_MAX, Counter, Level, Snapshot
from tests.unit.agent.made import BOOT, MINUTE_US, NOON_US, SECOND_US, counter, level, thing

HOUR_US = 60 * MINUTE_US


def at(minute: int, *, boot_id: str = BOOT, boottime_us: int | None = None, step_us: int = 0) -> Stamp:
    boottime = HOUR_US + minute * MINUTE_US if boottime_us is None else boottime_us
    return Stamp(NOON_US + minute * MINUTE_US + step_us, boottime, boot_id)


def saw(*entries: Level | Counter, collector: str = "host", incomplete: str = "") -> Answer:
    levels = tuple(entry for entry in entries if isinstance(entry, Level))
    counters = tuple(entry for entry in entries if isinstance(entry, Counter))
    return Answer(collector, (collector,), Snapshot(levels, counters, incomplete))


def failed(collector: str = "host") -> Answer:
    return Answer(collector, (collector,), None, "it broke")


def after(*moments: tuple[Stamp, list[Answer]]) -> Measured:
    """What the last of these moments gives."""
    baselines: Baselines = {}
    for stamp, answers in moments:
        measured = measure(stamp, answers, baselines)
        baselines = measured.baselines
    return measured


def values(measured: Measured) -> dict[tuple[str, str], int]:
    return {
        (reading.asset.external_id, reading.unit_type): reading.value
        for tick in measured.ticks
        for reading in tick.readings
    }


def test_a_first_tick_carries_levels_only_and_no_span() -> None:
    measured = after((at(0), [saw(level(7), counter(500, started_us=0))]))
    assert values(measured) == {("a", "ram"): 7}
    assert [(tick.since_us, tick.ticked_at_us) for tick in measured.ticks] == [(NOON_US, NOON_US)]


def test_an_amount_is_the_difference_over_the_span_since_the_last_tick() -> None:
    measured = after((at(0), [saw(counter(500))]), (at(1), [saw(counter(620))]))
    assert values(measured) == {("a", "cpu"): 120}
    assert measured.ticks[0].since_us == NOON_US


def test_an_object_that_began_after_the_last_tick_counts_from_0() -> None:
    began = counter(30, identity="new", started_us=HOUR_US + 10 * SECOND_US)
    measured = after(
        (at(0), [saw(counter(5, identity="old"))]), (at(1), [saw(counter(9, identity="old"), began)])
    )
    assert values(measured) == {("a", "cpu"): 34}


def test_an_object_of_unknown_start_is_a_baseline_worth_0() -> None:
    measured = after((at(0), [saw()]), (at(1), [saw(counter(900))]))
    assert values(measured) == {("a", "cpu"): 0}


def test_an_object_that_was_there_before_but_not_in_this_asset_is_a_baseline_worth_0() -> None:
    moved = counter(900, identity="old", started_us=HOUR_US - 1)
    assert values(after((at(0), [saw()]), (at(1), [saw(moved)]))) == {("a", "cpu"): 0}


def test_a_counter_that_went_backwards_counts_0_is_reported_and_is_the_new_baseline() -> None:
    start, back = (at(0), [saw(counter(500))]), (at(1), [saw(counter(100))])
    measured = after(start, back)
    assert values(measured) == {("a", "cpu"): 0}
    assert [(reset.before, reset.after) for reset in measured.resets] == [(500, 100)]
    assert values(after(start, back, (at(2), [saw(counter(130))]))) == {("a", "cpu"): 30}


def test_a_wrap_is_never_guessed() -> None:
    measured = after((at(0), [saw(counter(2**32 - 1))]), (at(1), [saw(counter(10))]))
    assert values(measured) == {("a", "cpu"): 0}


def test_after_a_reboot_what_began_with_the_boot_counts_from_0() -> None:
    rebooted = at(5, boot_id="boot-2", boottime_us=MINUTE_US)
    measured = after(
        (at(0), [saw(counter(5_000, started_us=0))]), (rebooted, [saw(counter(80, started_us=0))])
    )
    assert values(measured) == {("a", "cpu"): 80}
    assert measured.ticks[0].since_us == NOON_US
    assert measured.resets == ()


def test_after_a_reboot_a_greater_value_is_not_taken_for_a_difference() -> None:
    rebooted = at(5, boot_id="boot-2", boottime_us=MINUTE_US)
    measured = after((at(0), [saw(counter(50, started_us=0))]), (rebooted, [saw(counter(80, started_us=0))]))
    assert values(measured) == {("a", "cpu"): 80}


def test_an_interface_made_anew_under_its_name_does_not_inherit_its_bytes() -> None:
    old, new = counter(5_000, identity="4/aa"), counter(6_000, identity="9/bb", started_us=0)
    assert values(after((at(0), [saw(old)]), (at(1), [saw(new)]))) == {("a", "cpu"): 0}


def test_a_collector_that_failed_catches_up_over_the_longer_span() -> None:
    measured = after((at(0), [saw(counter(10))]), (at(1), [failed()]), (at(2), [saw(counter(70))]))
    assert values(measured) == {("a", "cpu"): 60}
    assert measured.ticks[0].since_us == NOON_US


def test_a_failed_collector_is_named_and_the_others_go_on() -> None:
    measured = after((at(0), [failed("host"), saw(level(3, of=thing("v", "volume")), collector="mounts")]))
    assert [(tick.reported, tick.failed) for tick in measured.ticks] == [(("mounts",), ("host",))]
    assert values(measured) == {("v", "ram"): 3}
    assert measured.failures == {"host": "it broke"}


def test_a_tick_at_which_everything_failed_still_says_so() -> None:
    measured = after((at(0), [failed("host"), failed("mounts")]))
    assert [(tick.failed, tick.readings) for tick in measured.ticks] == [(("host", "mounts"), ())]


def test_series_with_another_span_travel_as_a_tick_of_their_own() -> None:
    both = [saw(counter(1)), saw(counter(1, of=thing("eth0", "interface")), collector="interfaces")]
    one = [failed("host"), saw(counter(5, of=thing("eth0", "interface")), collector="interfaces")]
    last = [saw(counter(11)), saw(counter(7, of=thing("eth0", "interface")), collector="interfaces")]
    measured = after((at(0), both), (at(1), one), (at(2), last))
    assert [(tick.since_us - NOON_US, tick.reported) for tick in measured.ticks] == [
        (0, ("host",)),
        (MINUTE_US, ("interfaces",)),
    ]
    assert values(measured) == {("a", "cpu"): 10, ("eth0", "cpu"): 2}


def test_an_incomplete_snapshot_gives_its_levels_but_counts_as_failed() -> None:
    start = (at(0), [saw(level(1), counter(10))])
    partial = (at(1), [saw(level(2), counter(20), incomplete="/data did not answer")])
    measured = after(start, partial)
    assert values(measured) == {("a", "ram"): 2}
    assert [(tick.reported, tick.failed) for tick in measured.ticks] == [((), ("host",))]
    assert values(after(start, partial, (at(2), [saw(counter(50))]))) == {("a", "cpu"): 40}


def test_differences_are_taken_per_object_and_then_summed() -> None:
    before = [saw(counter(100, identity="1"), counter(200, identity="2"))]
    now = [saw(counter(110, identity="1"), counter(7, identity="3", started_us=HOUR_US + 1))]
    assert values(after((at(0), before), (at(1), now))) == {("a", "cpu"): 17}


def test_a_clock_that_was_set_forward_does_not_stretch_the_span() -> None:
    jumped = at(1, step_us=HOUR_US)
    measured = after((at(0), [saw(counter(0))]), (jumped, [saw(counter(9))]))
    assert measured.ticks[0].since_us == jumped.wall_us - MINUTE_US


def test_a_clock_that_was_set_back_leaves_a_span_of_the_time_that_passed() -> None:
    jumped = at(1, step_us=-HOUR_US)
    measured = after((at(0), [saw(counter(0))]), (jumped, [saw(counter(9))]))
    assert measured.ticks[0].since_us == jumped.wall_us - MINUTE_US
    assert values(measured) == {("a", "cpu"): 9}


def test_a_clock_that_is_slewed_leaves_no_hole() -> None:
    measured = after((at(0), [saw(counter(0))]), (at(1, step_us=30_000), [saw(counter(9))]))
    assert measured.ticks[0].since_us == NOON_US


def test_a_reboot_with_a_clock_behind_the_last_tick_spans_the_time_since_the_boot() -> None:
    rebooted = Stamp(NOON_US - HOUR_US, 5 * SECOND_US, "boot-2")
    measured = after((at(0), [saw(counter(1, started_us=0))]), (rebooted, [saw(counter(9, started_us=0))]))
    assert measured.ticks[0].since_us == rebooted.wall_us - 5 * SECOND_US


def test_a_collector_that_contradicts_itself_has_failed() -> None:
    for wrong in (
        saw(level(-1)),
        saw(level(VALUE_MAX + 1)),
        saw(counter(-5)),
        saw(level(1), level(2)),
        saw(counter(1, identity="x"), counter(2, identity="x")),
    ):
        measured = after((at(0), [wrong]))
        assert measured.ticks[0].failed == ("host",)
        assert measured.ticks[0].readings == ()
        assert "host" not in measured.baselines
