"""Readings of a period as files for other systems, one a source type, with a manifest: asked for, written, told.

The files are written and checked by the same code as ``ullage billing export``.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.cli.readings_export import FORMATS, Arrived
from tui.cli.session import Failure
from tui.client import Aggregator
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, FormDialog, FormError
from tui.dialogs.modal import Dialog
from tui.failures import CallFailed, sentence
from tui.format import clean, decimal, plural
from tui.screens.live import LiveScreen
from tui.theme import BAD, GOOD
from ullage.v1 import closing_pb2

TITLE = "Files per source type"
EVERY = "all"
KIBIBYTE = 1024


def files_form(
    *, period: str, client: tuple[int, str] | None, values: dict[str, str] | None = None, says: str = ""
) -> Form:
    """``values`` are those of a form that did not work, for another try."""
    held = values or {}
    whose = [(EVERY, "all clients")]
    if client is not None:
        whose.append((str(client[0]), clean(client[1], 40)))
    return Form(
        title=TITLE,
        says=says
        or "A file for each source type, and a manifest with rows, totals and hashes. Every file says whether its figures "
        "are provisional or final.",
        fields=[
            Field(
                "period",
                "Month, or a day",
                held.get("period", period),
                "2026-10: what the screen shows of that month. 2026-10-31: of each client the period that holds that day.",
            ),
            Field("client", "Whose", held.get("client", EVERY), choices=whose),
            Field(
                "source",
                "Source type",
                held.get("source", ""),
                "Only this one, such as vm; empty: all of them.",
            ),
            Field("format", "Format", held.get("format", FORMATS[0]), choices=[(f, f) for f in FORMATS]),
            Field(
                "folder",
                "Folder",
                held.get("folder", f"ullage-readings-{period}"),
                f"Is made if it is not there; files that are there are never replaced. In {Path.cwd()}.",
                required=True,
            ),
        ],
        go="Write",
    )


def files_request(values: dict[str, str]) -> closing_pb2.ExportReadingsRequest:
    """As the contract says it. Raises ``FormError``."""
    period = values["period"]
    month = len(period) == len("2026-10")
    try:
        date.fromisoformat(f"{period}-01" if month else period)
    except ValueError:
        raise FormError(
            "period", "That is no month and no day; write it like 2026-10 or 2026-10-31."
        ) from None
    return closing_pb2.ExportReadingsRequest(
        client_id=0 if values["client"] == EVERY else int(values["client"]),
        day="" if month else period,
        month=period if month else "",
        format=values["format"],
        source_type=values["source"],
    )


def manifest_lines(manifest: dict[str, Any], folder: Path) -> list[Text]:
    """What was written, with its totals; whatever an aggregator puts into a manifest, it is shown as text."""
    files = manifest.get("files") or []
    state = clean(str(manifest.get("state", "")), 20)
    lines = [Text(f"✔ {plural(len(files), 'file')} and the manifest in {clean(str(folder), 400)}", GOOD)]
    lines += [Text(f"  {clean(str(one.get('name', '')), 100)}  {_sums(one)}") for one in files]
    lines.append(Text(f"Together {_sums(manifest)}", "bold"))
    if state == "final":
        lines.append(Text("All figures are final."))
    else:
        lines.append(Text("~ Not all figures are final: they are provisional and may change."))
    if not files:
        lines.append(Text("There is no reading in that period: only the manifest was written."))
    return lines


def _sums(part: dict[str, Any]) -> str:
    totals = part.get("totals")
    money = [
        f"{clean(str(currency), 3)} {decimal(str(amount)) or 0:,f}"
        for currency, amount in sorted(totals.items() if isinstance(totals, dict) else ())
    ]
    rows = part.get("rows")
    return ", ".join([plural(rows if isinstance(rows, int) else 0, "row"), *money])


class FilesDialog(Dialog[bool | None]):
    """Ends with True when the files are there, with False when it failed, with None when it was given up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "close", "Close", key_display="esc"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
    ]
    # Not the default's: the look of all screens would come before it.
    CSS = """
    FilesDialog { align: center middle; background: $background 60%; }
    FilesDialog #files {
        width: 90; max-width: 96%; height: auto; max-height: 90%;
        border: round $primary; padding: 0 1; background: $panel;
    }
    """

    def __init__(
        self, aggregator: Aggregator, request: closing_pb2.ExportReadingsRequest, folder: Path
    ) -> None:
        super().__init__()
        self._aggregator = aggregator
        self._request = request
        self._folder = folder
        self._bytes = 0
        self._done: bool | None = None
        self.failure = ""

    def compose(self) -> ComposeResult:
        """How far it is, then what was written."""
        with VerticalScroll(id="files"):
            yield Static(Text("… asking for the files"), markup=False)

    def on_mount(self) -> None:
        """Begins."""
        self._frame("esc gives it up")
        self.query_one("#files").focus()
        self._write()

    def _frame(self, subtitle: str) -> None:
        box = self.query_one("#files")
        box.border_title, box.border_subtitle = TITLE, subtitle

    def _say(self, lines: list[Text]) -> None:
        self.query_one(Static).update(Text("\n").join(lines))

    async def _counted(self, arrived: Arrived) -> AsyncGenerator[closing_pb2.FileChunk, None]:
        aggregator = self._aggregator
        chunks = aggregator.stream(aggregator.closing.ExportReadings, self._request)
        async for chunk in chunks:
            self._bytes += len(chunk.data)
            yield chunk
            kib = max(self._bytes // KIBIBYTE, 1)
            self._say([Text(f"▶ {plural(len(arrived.names), 'file')}, {kib:,} KiB …")])

    @work(exclusive=True, group="files")
    async def _write(self) -> None:
        arrived = Arrived(self._folder)
        made = False
        try:
            made = not self._folder.exists()
            self._folder.mkdir(exist_ok=True)
            async with aclosing(self._counted(arrived)) as chunks:
                await arrived.take(chunks)
            arrived.checked()
            arrived.keep()
            self._done = True
        except (CallFailed, Failure) as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"{error.filename or self._folder} cannot be written: {error.strerror or error}."
        except (ValueError, TypeError):
            self.failure = "The manifest holds figures that are none: nothing was kept."
        finally:
            # Also when it is given up: what did not get its name is not left behind.
            arrived.drop()
            if made and not self._done:
                self._remove_empty()
        if self._done:
            self._say(manifest_lines(arrived.manifest, self._folder.absolute()))
        else:
            self._done = False
            self._say(
                [Text(f"✖ {clean(sentence(self.failure), 600)}", BAD), Text("esc goes back to the form.")]
            )
        self._frame("esc closes" if self._done else "esc goes back")

    def _remove_empty(self) -> None:
        try:
            self._folder.rmdir()
        except OSError:
            # Somebody put something into it meanwhile.
            return

    def action_close(self) -> None:
        """While it goes on: gives it up."""
        _ = self.dismiss(self._done)

    def action_scroll(self, step: int) -> None:
        """By a line."""
        self.query_one("#files").scroll_relative(y=step, animate=False)


async def write_files(screen: LiveScreen, *, month: str, of: closing_pb2.Period | None) -> None:
    """Asks what to write, writes it, and after a failure asks again with everything as it was."""
    client = (of.client_id, of.client_name) if of is not None else None
    values: dict[str, str] | None = None
    wrong = ""
    while True:
        form = files_form(period=month, client=client, values=values, says=wrong)
        filled = await screen.app.push_screen_wait(FormDialog(form))
        if filled is None:
            return
        values = filled.values
        try:
            request = files_request(values)
        except FormError as error:
            wrong = f"✖ {error}"
            continue
        folder = Path(values["folder"]).expanduser()
        dialog = FilesDialog(screen.desk.aggregator, request, folder)
        done = await screen.app.push_screen_wait(dialog)
        if done is None or done:
            screen.say("The files are written." if done else "Given up: nothing was kept.")
            return
        wrong = f"✖ {dialog.failure}"
