"""Filters as one line of text: what is written is read as the same filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.filter_text import filters_text, read_filters
from aggregator.domain.match import Condition, Filter, Operator

words = st.text(st.characters(codec="utf-8"), max_size=20)
filters = st.lists(
    st.builds(
        Filter,
        st.lists(st.builds(Condition, words, st.sampled_from(Operator), words), min_size=1, max_size=3).map(
            tuple
        ),
    ),
    max_size=3,
)


@given(filters)
def test_what_is_written_is_read_as_the_same(given_filters: list[Filter]) -> None:
    assert read_filters(filters_text(given_filters)) == given_filters


def test_alternatives_and_conditions_are_told_apart() -> None:
    text = 'name glob web-* and label:env equals "pre prod" or address cidr 10.0.0.0/8'
    assert read_filters(text) == [
        Filter(
            (
                Condition("name", Operator.GLOB, "web-*"),
                Condition("label:env", Operator.EQUALS, "pre prod"),
            )
        ),
        Filter((Condition("address", Operator.CIDR, "10.0.0.0/8"),)),
    ]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("name glob", "FIELD OPERATOR PATTERN"),
        ("name like web", "no operator"),
        ("name glob web or", "ends with 'or'"),
        ("name glob web 01", "quote patterns"),
        ('name glob "web', "not closed"),
        ('name glob a "and" name glob b', "wanted"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        read_filters(text)
