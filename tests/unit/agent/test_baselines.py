"""Baselines come back as they went, and other bytes are no baselines."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from agent.amounts import Baseline, Baselines, Stamp
from agent.baselines import decode, encode

TEXT = st.text(max_size=20)
BASELINES = st.dictionaries(
    TEXT,
    st.builds(
        Baseline,
        st.builds(Stamp, st.integers(0, 2**62), st.integers(0, 2**62), TEXT),
        st.dictionaries(st.tuples(TEXT, TEXT, TEXT, TEXT), st.integers(0, 2**53), max_size=5),
    ),
    max_size=4,
)


@given(BASELINES)
def test_baselines_come_back_as_they_went(baselines: Baselines) -> None:
    assert decode(encode(baselines)) == baselines


@given(st.binary(max_size=200))
def test_other_bytes_are_no_baselines_and_no_error(data: bytes) -> None:
    assert decode(data) is None or not data
    assert decode(zlib.compress(data)) in (None, {})


def test_a_hundred_series_take_little_room() -> None:
    values = {
        ("container", f"{number:064x}", "cpu", f"{number:032x}"): number * 10**9 for number in range(100)
    }
    assert len(encode({"cgroups": Baseline(Stamp(1, 1, "b"), values)})) < 3000
