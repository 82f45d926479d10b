"""Every screen as it was drawn when somebody looked at it and found it good.

After a change that is meant: ``pytest tests/tui/test_pictures.py --snapshot-update``, and look at the pictures.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from deploy.picture import draw
from tests.tui import drawing
from tui.settings import Given, Settings, load
from tui.terminal import PLAIN_THEME

FOUR_WIDE = [f"{name}-{drawing.WIDE[0]}" for name in drawing.FOUR]
NORMAL = [f"{name}-{drawing.NORMAL[0]}" for name in drawing.PICTURES]


def drawn(folder: Path, theme: str) -> Path:
    """The folder with all pictures of a theme; empty: the program's own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEXTUAL_")}
    if theme:
        environment["TEXTUAL_THEME"] = theme
    subprocess.run([sys.executable, "-m", "tests.tui.drawing", str(folder)], env=environment, check=True)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As most terminals show them."""
    return drawn(tmp_path_factory.mktemp("pictures"), "")


@pytest.fixture(scope="module")
def plain_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As over a slow link: in the terminal's own colours."""
    return drawn(tmp_path_factory.mktemp("plain"), PLAIN_THEME)


def same(picture: Path, snapshot: SnapshotAssertion) -> None:
    """As the picture that is kept; the new one lies beside for whoever wants to compare them."""
    # Each picture has a number of its own in its names of styles.
    told = re.sub(r"terminal-\d+", "terminal", picture.read_text("utf-8"))
    same_as_kept = told == snapshot.use_extension(SVGImageExtension)
    assert same_as_kept, f"drawn differently, see {picture}"


@pytest.mark.parametrize("name", [*NORMAL, *FOUR_WIDE])
def test_a_screen_looks_as_it_should(pictures: Path, snapshot: SnapshotAssertion, name: str) -> None:
    same(pictures / f"{name}.svg", snapshot)


@pytest.mark.parametrize("name", drawing.FOUR)
def test_a_screen_in_the_colours_of_the_terminal_looks_as_it_should(
    plain_pictures: Path, snapshot: SnapshotAssertion, name: str
) -> None:
    same(plain_pictures / f"{name}-{drawing.NORMAL[0]}.svg", snapshot)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """How to dial an aggregator in a process of its own."""
    folder = tmp_path_factory.mktemp("serving")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.tui.serving", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        given = Given(address=address, ca=str(folder / "ca.crt"), key_file=str(folder / "key"))
        yield load(given, {"HOME": str(folder)})
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


async def test_the_script_for_the_documents_draws_screens(settings: Settings, tmp_path: Path) -> None:
    names = ["dashboard", "asset", "bucket"]
    written = await draw(settings, names, out=tmp_path / "pictures", size=(80, 24))
    assert [path.stem for path in written] == names
    for path in written:
        picture = path.read_text("utf-8")
        assert "ullage" in picture
        assert "live" in picture
        assert "https://cdnjs" not in picture
