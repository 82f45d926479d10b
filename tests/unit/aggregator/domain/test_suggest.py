"""Suggestions: what speaks for a client, and what decides nothing."""

import re
from collections.abc import Mapping, Sequence

import pytest

from aggregator.domain.suggest import Subject, Trait, buckets_like, likeness, pattern_of, reason

ACME, BETA = 1, 2
PATTERN, STEM = Trait("pattern", "vm acme-web-#"), Trait("stem", "vm acme")
GENERIC, AGENT, OTHER_AGENT = Trait("pattern", "vm web-#"), Trait("agent", "vm 4"), Trait("agent", "vm 5")


def subject(*traits: Trait, client_id: int | None = None, unit_types: Sequence[int] = (1, 2)) -> Subject:
    return Subject(id=99, client_id=client_id, unit_types=unit_types, traits=traits)


def neighbours() -> Mapping[Trait, Mapping[int, Sequence[int]]]:
    return {
        PATTERN: {ACME: range(10, 26)},
        STEM: {ACME: range(10, 30)},
        GENERIC: {ACME: range(40, 50), BETA: range(50, 60)},
        AGENT: {ACME: range(10, 30)},
        OTHER_AGENT: {BETA: range(50, 90)},
    }


def test_a_name_pattern_of_one_client_speaks_for_it() -> None:
    found = likeness(subject(PATTERN, STEM), neighbours())
    assert found is not None
    assert (found.client_id, found.confidence) == (ACME, 100)
    assert 99 not in found.like


def test_a_name_that_two_clients_have_decides_nothing() -> None:
    assert likeness(subject(GENERIC), neighbours()) is None


def test_traits_that_contradict_each_other_make_no_suggestion() -> None:
    strong = {**neighbours(), STEM: {BETA: range(50, 60)}}
    assert likeness(subject(PATTERN, STEM, OTHER_AGENT), strong) is None


def test_a_generic_name_is_told_apart_by_more_that_is_alike() -> None:
    found = likeness(subject(GENERIC, AGENT), neighbours())
    assert found is not None
    assert found.client_id == ACME


def test_an_asset_alone_is_like_no_other() -> None:
    assert likeness(subject(PATTERN), {PATTERN: {ACME: [99]}}) is None
    assert likeness(subject(PATTERN), {}) is None


def test_one_neighbour_is_too_few() -> None:
    assert likeness(subject(STEM), {STEM: {ACME: [10]}}) is None


def test_an_asset_with_a_client_is_never_said_to_be_another_s() -> None:
    found = likeness(subject(PATTERN, client_id=BETA), neighbours())
    assert found is None
    own = likeness(subject(GENERIC, OTHER_AGENT, client_id=BETA), neighbours())
    assert own is not None
    assert own.client_id == BETA


def test_the_bucket_is_that_of_nearly_all_like_assets() -> None:
    asked = subject(PATTERN, STEM)
    found = likeness(asked, neighbours())
    assert found is not None
    bound = {asset: {1: 7, 2: 8 if asset % 2 else 9} for asset in found.like}
    assert buckets_like(asked, found, bound) == {1: 7}


def test_what_is_bound_already_is_not_suggested() -> None:
    asked = subject(PATTERN, unit_types=(2,))
    found = likeness(asked, neighbours())
    assert found is not None
    assert buckets_like(asked, found, {asset: {1: 7, 2: 8} for asset in found.like}) == {2: 8}


def test_the_reason_is_told_in_words() -> None:
    found = likeness(subject(PATTERN, AGENT), neighbours())
    assert found is not None
    text = reason(found, names=["web-01", "web-02"], client_name="acme")
    assert text == "like web-01, web-02 and 18 others of acme: same name pattern, same agent"


def grouped(name: str) -> str:
    """The pattern of an asset of that name, whose numbers the database has folded."""
    return pattern_of(subject(Trait("pattern", "vm " + re.sub("[0-9]+", "#", name.lower()))))


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (("web-01", "web-117"), "vm web-#"),
        (("web01.c12", "web02.c7"), "vm web#.c#"),
        (("api-7d9f8b6c5-x2x4q", "api-6b8c9d7f4-k9z3m"), "vm api-#-#"),
        (("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "16fd2706-8baf-433b-82eb-8c7fada847da"), "vm #-#-#-#-#"),
        (("rack_10a", "rack_9b"), "vm rack_#"),
        (("db", "DB"), "vm db"),
    ],
)
def test_names_that_differ_in_numbers_and_ids_alone_are_of_one_group(
    names: Sequence[str], pattern: str
) -> None:
    assert [grouped(name) for name in names] == [pattern] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("web-1", "db-1"),
        ("acme-web-1", "beta-web-1"),
        ("4th-floor", "4c"),
        ("web1", "cache1"),
        ("cafe1", "face1"),
    ],
)
def test_names_that_differ_in_words_are_of_two_groups(one: str, other: str) -> None:
    assert grouped(one) != grouped(other)


def test_an_asset_without_a_name_is_a_group_of_its_own() -> None:
    assert pattern_of(subject(AGENT)) == "#99"
