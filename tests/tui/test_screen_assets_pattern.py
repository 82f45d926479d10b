"""Which pattern is offered for several assets: one that fits all of them, or none."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui import builders
from tui.screens.asset_pattern import common_pattern, condition_for

NAMES = st.lists(st.text(alphabet="ab01-.[*?é", max_size=8), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["web-01", "web-02"], "web-*"),
        (["web-01.fra1", "web-17.fra1"], "web-*.fra1"),
        (["hv03-web-1", "hv03-web-2"], "hv03-web-*"),
        (["tmp-a", "tmp-build"], "tmp-*"),
        (["build-12-x", "build-13-y"], "build-*"),
        (["web-01"], "web-01"),
        (["web-01", "db-01"], ""),
        (["a1", "a2"], ""),
        (["web-[1]", "web-[2]"], ""),
        (["", "web-01"], ""),
        ([], ""),
    ],
)
def test_names_have_this_in_common(names: list[str], pattern: str) -> None:
    assert common_pattern(names) == pattern


@given(NAMES)
def test_a_pattern_fits_every_name_that_it_was_made_of(names: list[str]) -> None:
    pattern = common_pattern(names)
    assert not pattern or all(fnmatchcase(name, pattern) for name in names)


def test_where_names_have_nothing_in_common_the_external_ids_may_have() -> None:
    one, other = builders.asset(1, "web"), builders.asset(2, "db")
    assert condition_for([one, other]) == ("external_id", "glob", "4c4c4544-0042-*")
    assert condition_for([one]) == ("name", "exact", "web")
    other.external_id = "x"
    assert condition_for([one, other]) == ("name", "glob", "")
