"""Texts of a host are made fit to travel, and two things stay two."""

from hypothesis import given
from hypothesis import strategies as st

from agent.snapshot import LABELS_MAX, TEXT_CHARACTERS_MAX, asset

ANY = st.text(st.characters(codec=None, categories=None, exclude_categories=()), max_size=300)


@given(ANY, ANY, st.dictionaries(ANY, ANY, max_size=30))
def test_any_text_becomes_one_that_can_be_encoded_and_is_short(
    external_id: str, name: str, labels: dict[str, str]
) -> None:
    made = asset("volume", external_id, name=name, address=name, labels=labels)
    texts = [made.external_id, made.name, made.address, *(text for pair in made.labels for text in pair)]
    for text in texts:
        text.encode()
        assert len(text) <= TEXT_CHARACTERS_MAX
    assert len(made.labels) <= LABELS_MAX


def test_long_ids_that_differ_at_their_end_stay_two() -> None:
    paths = ["/mnt/" + "x" * 200 + end for end in "ab"]
    assert len({asset("volume", path).external_id for path in paths}) == 2


def test_ids_that_differ_in_bytes_that_are_not_text_stay_two() -> None:
    paths = [b"/mnt/\xff".decode("utf-8", "surrogateescape"), b"/mnt/\xfe".decode("utf-8", "surrogateescape")]
    assert len({asset("volume", path).external_id for path in paths}) == 2


def test_an_ordinary_id_is_left_alone() -> None:
    assert asset("volume", "/srv/Müller & Söhne").external_id == "/srv/Müller & Söhne"


def test_a_name_cannot_write_to_a_terminal() -> None:
    assert "\x1b" not in asset("volume", "/mnt/\x1b]0;x\x07").name
