"""``ullage check``: one line and an exit code for Nagios, Icinga and everything that speaks like them.

0 OK · 1 WARNING · 2 CRITICAL · 3 UNKNOWN. An aggregator that cannot be reached, or that fails, is CRITICAL, as the plugin
guidelines have it: a socket that times out is a finding, not a failure of the plugin. Wrong options, missing settings
and a refused key are UNKNOWN, because then nothing was checked.
"""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from tui.cli.session import Failure, run
from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from tui.format import ago, clean, moment
from ullage.v1 import insight_pb2

OK, WARNING, CRITICAL, UNKNOWN = range(4)
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_STATES = {"ok": OK, "warning": WARNING, "critical": CRITICAL}
# Many monitoring systems cut longer ones.
_LINE_CHARACTERS_MAX = 1000
_PROBLEMS_MAX = 5


class _Plugin(click.Command):
    """A command whose usage errors are UNKNOWN: 2 would mean CRITICAL."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            click.echo(_line(UNKNOWN, error.format_message()))
            raise Failure("", UNKNOWN) from None


@click.command(cls=_Plugin)
def check() -> None:
    """One line on the state of the system, for monitoring.

    Exit codes: 0 OK, 1 WARNING, 2 CRITICAL (also: aggregator not reachable), 3 UNKNOWN (wrong options or settings, key
    refused). Behind the bar: performance data.
    """
    code, line = examine()
    click.echo(line)
    sys.exit(code)


def examine() -> tuple[int, str]:
    """The exit code and the line; never raises for what a check is there to find."""

    async def work(aggregator: Aggregator) -> tuple[int, str]:
        try:
            health = await aggregator.health()
        except CallFailed as error:
            return (CRITICAL if error.kind in {Kind.AWAY, Kind.FAILED} else UNKNOWN), str(error)
        return judge(health, datetime.now(UTC))

    try:
        code, text = run(work)
    except Failure as failure:
        code, text = UNKNOWN, str(failure).replace("\n", "; ")
    return code, _line(code, text)


def judge(health: insight_pb2.Health, now: datetime) -> tuple[int, str]:
    """The aggregator's own judgement as an exit code, with its problems or, without any, what is well."""
    code = _STATES.get(health.state, UNKNOWN)
    problems = [clean(problem) for problem in health.problems]
    if problems:
        text = "; ".join(problems[:_PROBLEMS_MAX])
        if len(problems) > _PROBLEMS_MAX:
            text += f"; and {len(problems) - _PROBLEMS_MAX} more"
    elif code == UNKNOWN:
        text = f"the aggregator reports a state that this version does not know: {clean(health.state)}"
    else:
        text = (
            f"{health.agents} agents, {health.agents_silent} silent; "
            f"last reading {ago(moment(health.last_reading), now)}, billing {ago(moment(health.last_billing), now)}"
        )
    return code, f"{text.replace('|', '/')} | {' '.join(_performance(health, now))}"


def _performance(health: insight_pb2.Health, now: datetime) -> list[str]:
    """label=value[unit];warn;crit;min — ages only of what has happened."""
    data = [
        f"agents={health.agents};;;0",
        f"agents_silent={health.agents_silent};;;0",
        f"quarantined={health.quarantined};;;0",
        f"unbalanced_batches={health.unbalanced_batches};;;0",
        f"unbalanced_agents={health.unbalanced_agents};;;0",
        f"agents_spool={health.agents_spool};;;0",
        f"agents_clock={health.agents_clock};;;0",
        f"agents_lost={health.agents_lost};;;0",
        f"agents_conflict={health.agents_conflict};;;0",
    ]
    for name in ("reading", "rollup", "billing", "projection"):
        at = moment(getattr(health, f"last_{name}"))
        if at is not None:
            data.append(f"{name}_age={max(int((now - at).total_seconds()), 0)}s;;;0")
    return data


def _line(code: int, text: str) -> str:
    """``ULLAGE OK - …``, one line whatever the text holds."""
    return clean(f"ULLAGE {_WORDS[code]} - {text}", _LINE_CHARACTERS_MAX)
