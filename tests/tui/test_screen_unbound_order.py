"""In which order unbound assets are dealt with, and what keeps its place, on any page."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui import builders
from tui.screens.triage import Asset, Suggestion, Triage, confidence_words, pattern_of
from ullage.v1 import types_pb2

NAMES = ("web-1", "web-2", "web-10", "db-7", "7f3a9c", "")
rows = st.lists(
    st.builds(
        lambda number, name, cents, currency: builders.asset(
            number,
            name,
            unbound_money=types_pb2.Money(currency=currency, amount=str(cents)) if cents else None,
        ),
        st.integers(1, 40),
        st.sampled_from(NAMES),
        st.integers(0, 9),
        st.sampled_from(("EUR", "JPY")),
    ),
    unique_by=lambda asset: asset.id,
    max_size=20,
)
known = st.dictionaries(st.integers(1, 40), st.sampled_from(("a", "b", "c")))


def learnt(triage: Triage, assets: list[Asset], groups: dict[int, str]) -> None:
    ids = [asset.id for asset in assets]
    found = [Suggestion(asset_id=one, group=groups[one], client_id=1) for one in ids if one in groups]
    triage.learn(ids, found)


@given(rows, known)
def test_every_row_is_there_once_with_its_like_and_those_with_a_suggestion_first(
    assets: list[Asset], groups: dict[int, str]
) -> None:
    triage = Triage()
    learnt(triage, assets, groups)
    shown = triage.arrange(assets)
    assert sorted(asset.id for asset in shown) == sorted(asset.id for asset in assets)
    runs = [key for key, _ in groupby(id(triage.alike(asset)) for asset in shown)]
    assert len(runs) == len(set(runs)) == len(triage.groups)
    without = [asset.id not in triage.suggestions for asset in shown]
    assert without == sorted(without)


@given(rows, known, rows, known)
def test_while_somebody_works_what_stays_keeps_its_order_whatever_comes_and_goes(
    before: list[Asset], groups: dict[int, str], after: list[Asset], changed: dict[int, str]
) -> None:
    triage = Triage()
    learnt(triage, before, groups)
    first = [asset.id for asset in triage.arrange(before)]
    triage.settled = True
    learnt(triage, after, changed)
    second = [asset.id for asset in triage.arrange(after)]
    assert sorted(second) == sorted(asset.id for asset in after)
    stayed = set(first) & set(second)
    assert [one for one in second if one in stayed] == [one for one in first if one in stayed]
    # What had gone comes back to its place.
    assert [asset.id for asset in triage.arrange(before) if asset.id in set(first)] == first


@given(rows, known)
def test_of_a_folded_page_each_line_stands_for_its_group(assets: list[Asset], groups: dict[int, str]) -> None:
    triage = Triage()
    triage.folded = True
    learnt(triage, assets, groups)
    shown = triage.arrange(assets)
    meant = [one.id for line in shown for one in triage.members(line)]
    assert sorted(meant) == sorted(asset.id for asset in assets)
    assert [triage.sign(line) for line in shown] == [("×", group.size) for group in triage.groups]


def test_before_anything_is_known_rows_stand_as_they_came() -> None:
    triage = Triage()
    assets = [builders.asset(number, name) for number, name in ((3, "c-1"), (1, "a-1"), (2, "c-2"))]
    assert triage.arrange(assets) == assets
    assert triage.sign(assets[0]) == ("", 0)


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("web-01", "web-2", "WEB-33"), True),
        (("build-7f3a9c", "build-12ab34"), True),
        (("db01", "db02"), True),
        (("db01", "web01"), False),
        (("web-1.acme", "web-1.brook"), False),
        (("deadbeef", "cafe"), False),
    ],
)
def test_names_are_alike_when_they_differ_in_numbers_and_ids(names: tuple[str, ...], alike: bool) -> None:
    assert (len({pattern_of(name) for name in names}) == 1) == alike


def test_confidence_is_a_word_too() -> None:
    assert [confidence_words(percent) for percent in (100, 95, 94, 85, 70)] == [
        *("almost certain", "almost certain", "likely", "likely", "perhaps")
    ]
