"""``e``: exactly the rows that are filtered and sorted, into a file on the machine that the terminal runs on."""

import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from tui.cli.output import Row, write
from tui.dialogs.modal import Dialog
from tui.failures import CallFailed
from tui.format import clean, plural

# What the end of the file's name says.
FORMS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".txt": "table"}
FILE_MODE = 0o600

Told = Callable[[int, int], None]


def save(path: Path, rows: Sequence[Row], columns: Sequence[str], form: str) -> None:
    """All of the file or nothing of it; only its owner may read it. Raises ``OSError``; never replaces a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".ullage-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            write(rows, columns, form, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(FILE_MODE)
        # Unlike a rename this fails when the name is taken.
        os.link(name, path)
    finally:
        Path(name).unlink()


class ExportDialog(Dialog[str]):
    """Ends with a sentence about what was written; empty: nothing was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", key_display="esc"),
    ]

    def __init__(
        self,
        noun: str,
        columns: Sequence[str],
        rows: Callable[[Told], Awaitable[Sequence[Row]]],
        *,
        at: datetime,
        what: str,
    ) -> None:
        super().__init__()
        self._noun = noun
        self._columns = columns
        self._rows = rows
        self._what = what
        self._name = f"ullage-{noun.replace(' ', '-')}-{at:%Y%m%d-%H%M%S}.csv"

    def compose(self) -> ComposeResult:
        """A file name."""
        with Vertical(id="form"):
            yield Static(Text(f"Writes {self._what}. The end of the name says how: {', '.join(FORMS)}."))
            yield Input(self._name, compact=True, id="export-name", max_length=1000, select_on_focus=False)
            yield Static(id="form-hint", markup=False)

    def on_mount(self) -> None:
        """Enter is enough."""
        box = self.query_one("#form")
        box.border_title = Text(f"Export {clean(self._noun)}")
        box.border_subtitle = "enter writes, esc cancels"
        self._say(f"In {Path.cwd()}, or where the name says.")
        self.query_one(Input).focus()

    def _say(self, words: str, *, failed: bool = False) -> None:
        hint = self.query_one("#form-hint", Static)
        hint.set_class(failed, "-failed")
        hint.update(Text(clean(f"✖ {words}" if failed else words, 400)))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = Path(event.value.strip()).expanduser()
        form = FORMS.get(path.suffix)
        if form is None:
            self._say(f"The name must end with one of {', '.join(FORMS)}.", failed=True)
        elif path.exists():
            self._say(f"{path} exists already; take another name.", failed=True)
        elif not path.parent.is_dir():
            self._say(f"There is no folder {path.parent}.", failed=True)
        else:
            self._write(path, form)

    @work(exclusive=True)
    async def _write(self, path: Path, form: str) -> None:
        try:
            rows = await self._rows(lambda done, total: self._say(f"{done:,} of {total:,} rows …"))
            save(path, rows, self._columns, form)
        except CallFailed as error:
            self._say(str(error), failed=True)
            return
        except OSError as error:
            self._say(f"{path} cannot be written: {error.strerror or error}", failed=True)
            return
        _ = self.dismiss(f"{plural(len(rows), 'row')} in {path}")

    def action_cancel(self) -> None:
        """Rows that are still on their way are not waited for, and no file is left."""
        _ = self.dismiss("")
