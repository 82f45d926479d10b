"""What is written to the terminal to copy a text, and what is said about it."""

import base64
import re

import pytest

from tui.clipboard import TEXT_BYTES_MAX, copy_sequence

XTERM = {"TERM": "xterm-256color"}
PIECE = re.compile(r"\x1bP(.*?)\x1b\\", re.DOTALL)


def copied(sequence: str) -> str:
    """The text that a terminal takes from it."""
    assert sequence.startswith("\x1b]52;c;")
    assert sequence.endswith("\a")
    return base64.b64decode(sequence[7:-1], validate=True).decode("utf-8")


def test_a_text_arrives_as_it_is() -> None:
    sequence, said = copy_sequence("web-1\t12 €\nweb-2\t7 €", XTERM)
    assert copied(sequence) == "web-1\t12 €\nweb-2\t7 €"
    assert said.startswith("Copied 2 lines.")


def test_a_single_line_is_counted_in_characters() -> None:
    assert copy_sequence("web-1", XTERM)[1].startswith("Copied 5 characters.")


@pytest.mark.parametrize(
    "hostile",
    ["a\x1b[31mb", "a\rb", "a\x07b", "a\x9bb", "a\u202eb", "a\x00b", "a\u2028b", "a\x1b]52;c;eA==\x07b"],
)
def test_nothing_that_controls_is_copied(hostile: str) -> None:
    text = copied(copy_sequence(hostile, XTERM)[0])
    assert text[0] == "a"
    assert text[-1] == "b"
    assert not set(text) & set("\x1b\r\x07\x9b\u202e\x00\u2028")


def test_no_newline_is_left_at_the_end() -> None:
    assert copied(copy_sequence("rm -rf x\r\n\n", XTERM)[0]) == "rm -rf x"


def test_the_longest_sequence_is_what_terminals_take() -> None:
    sequence, _ = copy_sequence("x" * TEXT_BYTES_MAX, XTERM)
    assert len(sequence) == 100_000
    assert copied(sequence) == "x" * TEXT_BYTES_MAX


def test_what_is_longer_is_not_copied_and_the_way_out_is_said() -> None:
    sequence, said = copy_sequence("ä" * (TEXT_BYTES_MAX // 2 + 1), XTERM)
    assert sequence == ""
    assert "Not copied" in said
    assert "xport" in said


@pytest.mark.parametrize("nothing", ["", "\n\n"])
def test_nothing_is_said_to_be_nothing(nothing: str) -> None:
    assert copy_sequence(nothing, XTERM) == ("", "There is nothing to copy here.")


@pytest.mark.parametrize(
    "surroundings",
    [
        {"TMUX": "/tmp/tmux-1000/default,1,0", "TERM": "screen-256color", "STY": "7.pts"},
        {"TERM": "tmux-256color"},
        {"TERM": "screen"},
    ],
)
def test_tmux_gets_it_plain_and_its_setting_is_named(surroundings: dict[str, str]) -> None:
    sequence, said = copy_sequence("web-1", surroundings)
    assert copied(sequence) == "web-1"
    assert "set-clipboard on" in said


def test_screen_gets_pieces_that_it_puts_together_again() -> None:
    sequence, _ = copy_sequence("x" * 1000, {"STY": "4711.pts-0", "TERM": "screen"})
    pieces = PIECE.findall(sequence)
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= 256
    assert PIECE.sub("", sequence) == ""
    assert copied("".join(pieces)) == "x" * 1000
