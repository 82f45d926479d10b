"""The demo's data folder: configuration, certificates, key, database, logs, and what has been done already.

.demo/
  state.json        the days of the simulated year, and which steps are done
  aggregator.toml   agent.toml    configuration as an operator would write it
  ca/ server/ agents/NAME/        certificates and keys
  key               the first API key (0600)
  keys/NAME         the others
  database/         the embedded PostgreSQL
  logs/
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from deploy.demo.programs import DemoError, command

# ULLAGE_DEMO_DAYS makes a smaller world, for a quick look and for tests.
BACKFILL_DAYS = 365
BACKFILL_DAYS_MIN = 90
THIS_AGENT = "this-host"
THIS_SITE = "here"
THIS_INTERVAL_SECONDS = 5

_AGGREGATOR = """\
# Written by the demo; an operator's own would name a server in [database] and fixed ports.
[database]
embedded_directory = "database"

[agents]
listen = "127.0.0.1:0"
batches_per_second_max = 1000000
readings_per_second_max = 1000000000

[people]
listen = "127.0.0.1:0"

[tls]
ca = "ca/ca.crt"
certificate = "server/server.crt"
key = "server/server.key"

[authority]
directory = "ca"
"""

_AGENT = """\
[aggregator]
address = "{address}"
ca = "ca.crt"
certificate = "agent.crt"
key = "agent.key"

[collect]
interval_seconds = {interval}
collectors = ["host", "mounts", "interfaces", "process_groups"]

[process_groups]
python = ["python*"]
postgres = ["postgres*"]

[spool]
directory = "spool"
"""


@dataclass(frozen=True, slots=True)
class State:
    """What has been done. ``first_day`` and ``switch_day`` (UTC) never change: batch numbers follow from them."""

    # Hourly ticks from here on …
    first_day: str
    # … and five-minute ticks from here on.
    switch_day: str
    set_up: bool = False
    booked: bool = False
    triaged: bool = False
    corrected: bool = False

    @property
    def days(self) -> int:
        """Days of hourly ticks."""
        return (self.switch - self.first).days

    @property
    def first(self) -> date:
        """First day of the simulated year."""
        return date.fromisoformat(self.first_day)

    @property
    def switch(self) -> date:
        """First day of five-minute ticks."""
        return date.fromisoformat(self.switch_day)


def _days_wanted() -> int:
    text = os.environ.get("ULLAGE_DEMO_DAYS", str(BACKFILL_DAYS))
    if not text.isdecimal() or not BACKFILL_DAYS_MIN <= int(text) <= BACKFILL_DAYS:
        raise DemoError(
            f"ULLAGE_DEMO_DAYS is {text!r}; give a number from {BACKFILL_DAYS_MIN} to {BACKFILL_DAYS}"
        )
    return int(text)


class Folder:
    """The folder at ``path``; made on the first run, used again on the next."""

    def __init__(self, path: Path, *, now: datetime) -> None:
        self.path = path
        self.logs = path / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._file = path / "state.json"
        if self._file.exists():
            try:
                self.state = State(**json.loads(self._file.read_text("utf-8")))
            except (ValueError, TypeError) as error:
                raise DemoError(
                    f"{self._file} is not this demo's; `make clean` removes the folder"
                ) from error
        else:
            today = now.date()
            first = today - timedelta(days=_days_wanted())
            self.state = State(first_day=first.isoformat(), switch_day=today.isoformat())
            self.save(self.state)

    def save(self, state: State) -> None:
        """Replaces the state as a whole."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(asdict(state), indent=2), "utf-8")
        new.replace(self._file)
        self.state = state

    def done(self, step: str) -> None:
        """Records that a step is done."""
        self.save(State(**{**asdict(self.state), step: True}))

    @property
    def aggregator_config(self) -> str:
        """Path of the aggregator's configuration."""
        return str(self.path / "aggregator.toml")

    @property
    def ca(self) -> Path:
        """The authority's certificate, which everyone trusts."""
        return self.path / "ca" / "ca.crt"

    @property
    def key(self) -> Path:
        """File with the first API key."""
        return self.path / "key"

    def keep_key(self, name: str, key: str) -> None:
        """Saves an API key that was made for somebody, for its owner's eyes alone."""
        path = self._key(name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(key + "\n", "ascii")

    def key_of(self, name: str) -> Path:
        """File with that API key; the first key where it was made and not saved."""
        return path if (path := self._key(name)).exists() else self.key

    def _key(self, name: str) -> Path:
        return self.path / "keys" / name.replace(" ", "-")

    def agent(self, name: str) -> Path:
        """Folder with an agent's certificate, key and the authority's certificate."""
        return self.path / "agents" / name

    async def set_up(self) -> None:
        """Configuration, authority, server certificate, schema and the first key; each by the operator's command.

        A step whose result is there already is not done again, so an interrupted set-up goes on where it was.
        """
        Path(self.aggregator_config).write_text(_AGGREGATOR, "utf-8")
        aggregator = ("ullage-aggregator", "--config", self.aggregator_config)
        if not self.ca.exists():
            await command(*aggregator, "ca", "create")
        server = self.path / "server"
        if not (server / "server.crt").exists():
            await command(
                *aggregator,
                "ca",
                "issue",
                "server",
                "--host",
                "localhost",
                "--host",
                "127.0.0.1",
                "--out",
                str(server),
            )
        await command(*aggregator, "migrate")
        if not self.key.exists():
            await command(*aggregator, "keys", "bootstrap", "--name", "demo", "--out", str(self.key))
        if not self.state.set_up:
            self.done("set_up")

    async def issue_agent(self, name: str, *, site: str) -> None:
        """A certificate for an agent, unless it has one."""
        out = self.agent(name)
        if not (out / "agent.crt").exists():
            await command(
                *("ullage-aggregator", "--config", self.aggregator_config),
                *("ca", "issue", "agent", name, "--site", site, "--out", str(out)),
            )

    def write_agent_config(self, *, address: str) -> Path:
        """Configuration of this host's agent; the port may differ in every run."""
        path = self.agent(THIS_AGENT) / "agent.toml"
        path.write_text(_AGENT.format(address=address, interval=THIS_INTERVAL_SECONDS), "utf-8")
        return path
