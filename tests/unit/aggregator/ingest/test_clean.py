"""Whatever an agent calls things, what is kept is short, composed and shows what it is."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.clean import clean_identity, clean_labels, clean_name
from aggregator.ingest.limits import LABELS_MAX, NAME_CHARACTERS_MAX

HOSTILE = st.text(st.characters(codec="utf-8"), max_size=600)


@given(HOSTILE)
def test_a_cleaned_name_is_short_composed_and_without_control_characters(text: str) -> None:
    for cleaned in (clean_name(text), clean_identity(text)):
        assert len(cleaned) <= NAME_CHARACTERS_MAX
        assert not any(unicodedata.category(c).startswith("C") for c in cleaned)
        assert clean_name(cleaned) == cleaned or unicodedata.normalize("NFC", cleaned) != cleaned


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=NAME_CHARACTERS_MAX))
def test_a_harmless_name_is_only_composed(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    if len(composed) <= NAME_CHARACTERS_MAX:
        assert clean_name(text) == composed
        assert clean_identity(text) == composed


@given(HOSTILE, HOSTILE)
def test_different_identities_stay_different(one: str, other: str) -> None:
    if unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other):
        assert clean_identity(one) != clean_identity(other)


def test_long_identities_that_differ_at_the_end_stay_two() -> None:
    path = "/var/lib/kubelet/pods/" + "x" * 200
    assert clean_identity(path + "a") != clean_identity(path + "b")
    assert clean_identity("a\x01") != clean_identity("a\x02")
    assert clean_identity("") == ""


def test_a_megabyte_of_combining_marks_is_cut_before_it_is_ordered() -> None:
    assert len(clean_name("a" + "\u0301\u0323" * 500_000)) <= NAME_CHARACTERS_MAX


def test_only_so_many_labels_are_kept_the_first_by_key() -> None:
    labels = {f"k{n:04}": "v" for n in range(LABELS_MAX + 10)}
    assert [key for key, _ in clean_labels(labels)] == sorted(labels)[:LABELS_MAX]
