"""Draws screens of the real program, against a running aggregator, into SVG files for the documents.

    python -m deploy.picture --out docs/pictures --size 80x24 dashboard assets

Dials as ``ullage`` does: by ULLAGE_ADDRESS, ULLAGE_CA and ULLAGE_KEY_FILE or the settings file. The program runs without
a terminal; everything else is what a person would see.
"""

import argparse
import asyncio
import re
import sys
import time
from pathlib import Path

from textual.pilot import Pilot

from tui.app import UllageApp
from tui.client import Aggregator
from tui.messages import GoTo
from tui.screens.live import LiveScreen
from tui.settings import Given, Settings, SettingsError, load
from tui.widgets.frame import StatusBar

# The keys that lead to a screen from the dashboard; "go:NAME" is what the palette does.
KEYS: dict[str, tuple[str, ...]] = {
    "dashboard": (),
    "clients": ("2",),
    "client": ("2", "enter"),
    "assets": ("3",),
    "asset": ("3", "slash", *"web", "enter", "enter"),
    "unbound": ("4",),
    "triage": ("4", "a"),
    "buckets": ("5",),
    "bucket": ("5", "enter"),
    "billing": ("6",),
    "projections": ("7",),
    "projection": ("7", "enter"),
    "over-under": ("8",),
    "agents": ("9",),
    "unit-types": ("go:unit-types",),
    "suppressions": ("go:suppressions",),
    "disregarded": ("go:disregarded",),
    "keys": ("go:keys",),
    "audit": ("go:audit",),
    "help": ("4", "question_mark"),
    "palette": ("colon", *"asset web"),
}
# Looked at for their width too.
WIDE = ("dashboard", "triage", "unbound", "billing", "over-under")
SIZE = (80, 24)
LOAD_SECONDS_MAX = 20.0
# After the figures have come: charts and columns settle.
SETTLE_SECONDS = 0.5
# The picture names its font; fetching one from elsewhere is the reader's browser's affair.
_FETCHED_FONT = re.compile(r',\s*url\("https?://[^"]*"\)\s*format\("[^"]*"\)')


class NotDrawn(Exception):
    """A screen did not get its figures in time."""


async def draw(settings: Settings, names: list[str], *, out: Path, size: tuple[int, int]) -> list[Path]:
    """The files written, one for each screen. Raises ``NotDrawn``."""
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name in names:
        async with Aggregator(settings) as aggregator:
            app = UllageApp(aggregator)
            async with app.run_test(size=size) as pilot:
                await _loaded(app, pilot, name)
                for key in KEYS[name]:
                    if key.startswith("go:"):
                        app.post_message(GoTo(key.removeprefix("go:")))
                        await pilot.pause()
                    else:
                        await pilot.press(key)
                    await _loaded(app, pilot, name)
                picture = app.export_screenshot(title="ullage")
        wide = f"-{size[0]}" if size[0] != SIZE[0] else ""
        path = out / f"{name}{wide}.svg"
        path.write_text(_FETCHED_FONT.sub("", picture), "utf-8")
        written.append(path)
    return written


async def _loaded(app: UllageApp, pilot: Pilot[None], name: str) -> None:
    """Returns when the screen on view shows figures over a live connection."""
    until = time.monotonic() + LOAD_SECONDS_MAX
    await pilot.pause(SETTLE_SECONDS)
    while time.monotonic() < until:
        screen = app.screen
        if screen.is_modal:
            # What a dialog shows stands over a screen that has its figures.
            await pilot.pause(SETTLE_SECONDS)
            return
        status = screen.query_one(StatusBar) if isinstance(screen, LiveScreen) else None
        if (
            status is not None
            and status.figures_at is not None
            and app.desk.link.state == "live"
            and app.desk.who
        ):
            await pilot.pause(SETTLE_SECONDS)
            return
        await pilot.pause(0.1)
    raise NotDrawn(f"{name}: no figures within {LOAD_SECONDS_MAX:.0f} s. {app.desk.link.reason}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,3})x(\d{2,3})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMNSxLINES, for example 80x24")
    return int(match[1]), int(match[2])


def main() -> int:
    """0 when every picture was written."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.picture", description="Draw screens of Ullage as SVG."
    )
    parser.add_argument(
        "screens",
        nargs="*",
        metavar="SCREEN",
        help=f"any of {', '.join(KEYS)}; none: all, of another size those that are looked at wide",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/pictures"), help="folder for the files (%(default)s)"
    )
    parser.add_argument("--size", type=_size, default=SIZE, help="COLUMNSxLINES (80x24)")
    given = parser.parse_args()
    unknown = [name for name in given.screens if name not in KEYS]
    if unknown:
        parser.error(f"there is no screen {unknown[0]!r}; known are {', '.join(KEYS)}")
    try:
        settings = load(Given())
    except SettingsError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 2
    try:
        written = asyncio.run(
            draw(
                settings,
                given.screens or list(KEYS if given.size == SIZE else WIDE),
                out=given.out,
                size=given.size,
            )
        )
    except NotDrawn as error:
        print(error, file=sys.stderr)
        return 3
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
