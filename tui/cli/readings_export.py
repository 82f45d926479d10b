"""``ullage billing export``: a period's readings as files, one a source type, and a manifest by which they are checked.

Files appear under their names only when all of them have arrived and are as the manifest says.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from tui.cli.billing import billing
from tui.cli.names import client_id
from tui.cli.options import client_option, source_option
from tui.cli.over_under import parse_month
from tui.cli.session import EXIT_FAILED, Failure, run, say
from tui.cli.values import parse_day
from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from tui.format import clean, plural
from ullage.v1 import closing_pb2

FORMATS = ("csv", "xlsx")
PART = ".part"
MANIFEST_BYTES_MAX = 16 * 1024 * 1024
# The aggregator chooses the names; whatever it is, it must not choose the folder.
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")


@billing.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--day",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="A day of the periods wanted; without it the open ones.",
)
@click.option(
    "--month",
    type=parse_month,
    metavar="YYYY-MM",
    help="Instead: the periods that count for this reporting month, as `billing list` takes it.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True, help="Of the files."
)
@client_option
@source_option
def export(*, folder: Path, day: str | None, month: str | None, form: str, client: str, source: str) -> None:
    """Writes readings of a period into the folder DIR: one file a source type and a manifest with rows, totals and hashes.

    Names of the files written go to stdout. Files that are there already are never replaced. Each file says whether it
    is provisional or final; its totals are those of the readings.

    \b
    Examples:
    ullage billing export october --month 2026-10
    ullage billing export acme --client acme --day 2026-10-31
    ullage billing export now --client acme --format xlsx
    """

    arrived = Arrived(folder)

    async def work(aggregator: Aggregator) -> None:
        request = closing_pb2.ExportReadingsRequest(
            client_id=await client_id(aggregator, client),
            day=day or "",
            month=month or "",
            format=form,
            source_type=source,
        )
        await arrived.take(aggregator.stream(aggregator.closing.ExportReadings, request))

    try:
        folder.mkdir(exist_ok=True)
        run(work)
        rows = arrived.checked()
        arrived.keep()
    except OSError as error:
        raise Failure(
            f"{error.filename or folder} cannot be written: {error.strerror}.", EXIT_FAILED
        ) from None
    finally:
        arrived.drop()
    for name in arrived.names:
        click.echo(clean(str(folder / name), 4000))
    say(f"{plural(rows, 'row')} in {plural(len(arrived.names) - 1, 'file')}, each as the manifest says.")


class Arrived:
    """Files on their way: written beside their names, in the order in which they come; the manifest is the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        # What the manifest says, once the files were found to be as it says.
        self.manifest: dict[str, Any] = {}

    async def take(self, chunks: AsyncIterator[closing_pb2.FileChunk]) -> None:
        """All pieces of all files. Raises ``Failure`` for a file that is there already."""
        file = None
        try:
            async for chunk in chunks:
                if chunk.file_name:
                    if file is not None:
                        file.close()
                    file = self._part(self._new(chunk.file_name)).open("xb")
                if file is None:
                    raise CallFailed(Kind.FAILED, "The aggregator sent data before the name of a file.")
                file.write(chunk.data)
        finally:
            if file is not None:
                file.close()

    def _new(self, name: str) -> str:
        if not _NAME.match(name) or name in self.names:
            raise CallFailed(
                Kind.FAILED, f"The aggregator sent a file with a name that cannot be used: {name!r}."
            )
        if (self.folder / name).exists() or self._part(name).exists():
            raise Failure(
                f"{self.folder / name} is there already: nothing was written. Name another folder.",
                EXIT_FAILED,
            )
        self.names.append(name)
        return name

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}{PART}"

    def checked(self) -> int:
        """Rows in all files, which are as the manifest says. Raises ``Failure`` where one is not."""
        if not self.names:
            raise Failure("The aggregator sent no file, not even a manifest. Its log says more.", EXIT_FAILED)
        listed = self._manifest()
        for name in self.names[:-1]:
            with self._part(name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if name not in listed or found != listed[name].get("sha256"):
                raise Failure(
                    f"{name} is not as the manifest says: it was damaged on its way. Nothing was kept; repeat the export.",
                    EXIT_FAILED,
                )
        missing = listed.keys() - set(self.names)
        if missing:
            raise Failure(
                f"{', '.join(sorted(missing))} never arrived. Nothing was kept; repeat the export.",
                EXIT_FAILED,
            )
        return sum(int(one.get("rows", 0)) for one in listed.values())

    def _manifest(self) -> dict[str, dict[str, Any]]:
        """What it says of each file, by name."""
        part = self._part(self.names[-1])
        try:
            with part.open("rb") as file:
                said = json.loads(file.read(MANIFEST_BYTES_MAX))
            found = {str(one["name"]): dict(one) for one in said["files"]}
        except (ValueError, KeyError, TypeError):
            raise Failure(
                f"{self.names[-1]} is no manifest that this version understands. Nothing was kept.",
                EXIT_FAILED,
            ) from None
        self.manifest = said
        return found

    def keep(self) -> None:
        """Gives all files their names."""
        for name in self.names:
            self._part(name).rename(self.folder / name)

    def drop(self) -> None:
        """Removes what did not get its name."""
        for name in self.names:
            self._part(name).unlink(missing_ok=True)
