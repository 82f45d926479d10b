"""Programs that print figures: what they say is taken strictly, and whatever they do ends in time and alone.

Row 50 of the fault catalogue, with real programs.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import child, programs
from agent.collectors.programs import Program, Section, parse
from agent.snapshot import VALUE_MAX

LEVEL = {"source_type": "database", "external_id": "orders", "unit_type": "disk-used", "kind": "level"}
TYPES = ["database"]


def line(**fields: object) -> bytes:
    return json.dumps({**LEVEL, "value": 1, **fields}).encode()


def runs(code: str, *, seconds_max: float = 20.0, output_bytes_max: int = 1 << 20) -> child.Program:
    return child.Program(
        [sys.executable, "-I", "-c", code], seconds_max=seconds_max, output_bytes_max=output_bytes_max
    )


def is_gone(pid: int) -> bool:
    """Within a while: what is killed takes a moment, and its parent may have to reap it."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_levels_and_counters_are_what_the_lines_say() -> None:
    output = b"\n".join(
        [
            line(value=52428800, name="Orders", labels={"engine": "pg"}),
            line(kind="counter", unit_type="cpu", value=7, reset_identity="started-1"),
            line(kind="counter", unit_type="net-in", value=8),
        ]
    )
    snapshot = parse(output, source_types=TYPES)
    assert snapshot.incomplete == ""
    (level,) = snapshot.levels
    assert (level.asset.key, level.asset.name, level.asset.labels, level.value) == (
        ("database", "orders"),
        "Orders",
        (("engine", "pg"),),
        52428800,
    )
    # When a counter began is not known: its first value is a baseline worth 0.
    assert [(c.unit_type, c.value, c.identity, c.started_us) for c in snapshot.counters] == [
        ("cpu", 7, "started-1", None),
        ("net-in", 8, "", None),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"orders 5", "not one JSON object"),
        (b"\xff\xfe", "not one JSON object"),
        (b"[1]", "Expected 'object'"),
        (line() + line(), "not one JSON object"),
        (line().replace(b": 1}", b": NaN}"), "not one JSON object"),
        (line().replace(b": 1}", b": 1e999}"), "value"),
        (line(value=-1), "value"),
        (line(value=1.5), "value"),
        (line(value="1"), "value"),
        (line(value=True), "value"),
        (line(value=VALUE_MAX + 1), "value"),
        (line(value=None), "value"),
        (line(kind="gauge"), "kind"),
        (line(external_id=""), "external_id"),
        (line(external_id="x" * 129), "external_id"),
        (line(unit_type="Disk Used"), "unit_type"),
        (line(colour="red"), "unknown field"),
        (line(labels={str(n): "" for n in range(17)}), "labels"),
        (line(source_type="host"), "none of those that the configuration declares"),
        (line(reset_identity="x"), "a level has no reset_identity"),
        (line(name="x" * programs.LINE_BYTES_MAX), f"longer than {programs.LINE_BYTES_MAX} bytes"),
        (b'{"labels": ' + b"[" * 10_000, "Expected 'object'"),
        (line(external_id="good"), "the same series was given before"),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_a_line_that_cannot_be_taken_is_named_and_the_others_count(bad: bytes, reason: str) -> None:
    snapshot = parse(line(external_id="good") + b"\n\n" + bad + b"\n", source_types=TYPES)
    assert snapshot.incomplete.startswith("line 3: ")
    assert reason in snapshot.incomplete
    assert [level.asset.external_id for level in snapshot.levels] == ["good"]


def test_many_bad_lines_are_counted_after_the_first_few() -> None:
    assert parse(b"x\n" * 50, source_types=TYPES).incomplete.endswith("; and 47 more lines")


def test_what_is_said_of_a_line_carries_no_control_characters() -> None:
    bad = line(**{"\x1b]0;title\x07": 1, "colour\x9b": 2})
    assert parse(bad, source_types=TYPES).incomplete.isprintable()


@given(st.binary(max_size=300))
def test_no_output_breaks_the_reading(output: bytes) -> None:
    parse(output, source_types=TYPES)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*LEVEL, "value", "name", "labels", "reset_identity"]), _json))
def test_whatever_fields_hold_a_figure_is_whole_and_within_limits(fields: dict[str, object]) -> None:
    snapshot = parse(line(**fields), source_types=TYPES)
    values = [level.value for level in snapshot.levels] + [counter.value for counter in snapshot.counters]
    assert len(values) == (snapshot.incomplete == "")
    assert all(type(value) is int and 0 <= value <= VALUE_MAX for value in values)


def test_a_program_is_run_without_a_shell_and_with_an_environment_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ULLAGE_SECRET", "hush")
    program = child.Program(
        [
            sys.executable,
            "-I",
            "-c",
            "import os,sys;print(sorted(os.environ),sys.argv[1],os.getcwd())",
            "$(id);*",
        ],
        seconds_max=20,
        output_bytes_max=1000,
        environment={"MINE": "1"},
    )
    names, argument, folder = program.run().decode().rsplit(maxsplit=2)
    assert (argument, folder) == ("$(id);*", "/")
    assert {"MINE", "PATH"} <= set(json.loads(names.replace("'", '"')))
    assert "ULLAGE_SECRET" not in names


def test_a_program_that_fails_has_its_exit_code_and_last_complaint_told() -> None:
    code = "import sys;print('{}');sys.stderr.write('first\\nno \\x1b[31mdatabase\\n');sys.exit(1)"
    with pytest.raises(child.Failed, match=r"exit code 1: no  ?\[31mdatabase$") as failed:
        runs(code).run()
    assert str(failed.value).isprintable()


def test_a_program_that_kills_itself_has_failed() -> None:
    with pytest.raises(child.Failed, match="signal 9"):
        runs("import os;os.kill(os.getpid(), 9)").run()


def test_a_program_that_is_not_there_has_failed() -> None:
    with pytest.raises(child.Failed, match="cannot be started: No such file"):
        child.Program(["/no/such/program"], seconds_max=1, output_bytes_max=1).run()


def test_a_program_that_hangs_is_killed_with_all_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os,signal,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: break\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(child.Failed, match=r"did not end within 4 s and was killed"):
        runs(code, seconds_max=4.0).run()
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 4
    assert all(is_gone(pid) for pid in started)


def test_a_fork_bomb_is_over_when_its_time_is(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # Each makes another one and stays; a bound in case it should ever get out.
    code = (
        "import os,time\n"
        "for _ in range(60):\n"
        f"    open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "    if os.fork() != 0: time.sleep(60); break\n"
        "    time.sleep(0.02)\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(child.Failed, match="was killed"):
        runs(code, seconds_max=3.0).run()
    started = {int(pid) for pid in pids.read_text().split()}
    assert len(started) > 1
    assert all(is_gone(pid) for pid in started)


def test_a_program_that_never_stops_writing_is_killed_at_the_limit() -> None:
    # Ten gigabytes, if it were let.
    code = "import os\nfor _ in range(160_000): os.write(1, b'x' * 65536)"
    with pytest.raises(child.Failed, match="wrote more than 1048576 bytes"):
        runs(code).run()


def test_complaints_count_towards_the_limit_too() -> None:
    with pytest.raises(child.Failed, match="wrote more than"):
        runs("import os\nfor _ in range(160_000): os.write(2, b'x' * 65536)").run()


def test_output_up_to_the_limit_is_whole() -> None:
    assert runs("import os; os.write(1, b'x' * 300_000)", output_bytes_max=300_000).run() == b"x" * 300_000


def test_a_child_that_holds_the_output_open_is_not_waited_for() -> None:
    code = "import os,time\nif os.fork() == 0: time.sleep(600)\nelse: print(os.getpid(), flush=True)"
    assert runs(code, seconds_max=60).run().strip().isdigit()


def test_a_program_that_closes_its_output_still_has_its_time_only() -> None:
    with pytest.raises(child.Failed, match="did not end within"):
        runs("import os,time\nos.close(1); os.close(2); time.sleep(600)", seconds_max=0.5).run()


def test_one_that_cannot_be_killed_is_not_joined_by_another() -> None:
    program = runs("print('ok')")
    program.run()
    held = program._stuck = subprocess.Popen(["/bin/sleep", "600"])
    try:
        with pytest.raises(child.Failed, match="still not gone"):
            program.run()
    finally:
        held.kill()
        held.wait()
    assert program.run() == b"ok\n"


def test_an_agent_that_ends_meanwhile_takes_its_programs_with_it() -> None:
    agent = (
        "import sys,threading,time\n"
        "from agent.collectors import child\n"
        "program = child.Program(['/bin/sh', '-c', 'exec sleep 600'], 60, 1000)\n"
        "threading.Thread(target=program.run, daemon=True).start()\n"
        "while not child._running: time.sleep(0.01)\n"
        "print(*(process.pid for process in child._running), flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", agent], check=True, capture_output=True, text=True, timeout=60
    )
    assert is_gone(int(ended.stdout))


def test_descriptors_are_given_back_however_it_ends() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count

    before = descriptors()
    for code in ("print(1)", "raise SystemExit(1)", "print('x' * 3_000_000)", "import time;time.sleep(60)"):
        try:
            runs(code, seconds_max=1.0).run()
        except child.Failed:
            continue
    assert descriptors() == before


def test_every_program_is_a_collector_of_its_own() -> None:
    sections = [
        Section(name="good", command=["/bin/echo", line().decode()], source_types=TYPES),
        Section(name="bad", command=["/bin/false"], source_types=["vm"]),
    ]
    made = programs.make(sections)
    assert [level.value for level in made["exec:good"].collect().levels] == [1]
    with pytest.raises(child.Failed):
        made["exec:bad"].collect()
    assert isinstance(made["exec:bad"], Program)
    assert made["exec:bad"].source_types == ("vm",)
