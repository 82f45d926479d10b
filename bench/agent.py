"""What the agent itself takes of a metered host: the real program, its real collectors, a tick a minute."""

import asyncio
import os
import signal
import subprocess
import sys
import time

from aggregator.bench.machine import cpu_seconds, rss_mib_max
from aggregator.bench.site import site
from bench.registry import Figure, benchmark

MINUTES = 10.0
# Two series each: about a hundred together with the host, its mounts and its interfaces.
PROCESS_GROUPS = 45
STOP_SECONDS_MAX = 20.0
# Until the first tick is delivered: starting is not what a day's share of a core is made of.
START_SECONDS = 20.0
_CONFIG = """
[aggregator]
address = "{address}"
ca = "{folder}/ca.crt"
certificate = "{folder}/agent.crt"
key = "{folder}/agent.key"
[collect]
interval_seconds = 60
collectors = ["host", "mounts", "interfaces", "process_groups"]
[spool]
directory = "spool"
[process_groups]
"""


@benchmark("agent.footprint")
async def footprint(dsn: str, scale: float) -> list[Figure]:
    """Memory and processor time of `ullage-agent run` over some minutes."""
    return await asyncio.to_thread(_footprint, dsn, MINUTES * 60 * scale)


def _footprint(dsn: str, seconds: float) -> list[Figure]:
    with site(dsn) as own:
        own.certify(1)
        with own.serving() as serving:
            folder = own.folder / "agents" / "bench-000000"
            config = own.folder / "agent.toml"
            groups = "".join(f'group-{n:02} = ["*{chr(97 + n % 26)}*"]\n' for n in range(PROCESS_GROUPS))
            config.write_text(_CONFIG.format(address=serving.address, folder=folder) + groups)
            process = subprocess.Popen(
                [sys.executable, "-m", "agent", "run", "--config", str(config)],
                cwd=own.folder,
                stderr=subprocess.DEVNULL,
                env=dict(os.environ),
            )
            try:
                time.sleep(START_SECONDS)
                began, before = time.monotonic(), cpu_seconds(process.pid)
                time.sleep(seconds)
                used = (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
                rss_mib = rss_mib_max(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(STOP_SECONDS_MAX)
        ledger = own.ledger()
    sizes = {
        "series": ledger["readings"] / max(1, ledger["ticks"]),
        "ticks": ledger["ticks"],
        "minutes": seconds / 60,
    }
    return [
        Figure(name="agent: memory", value=rss_mib, unit="MiB", sizes=sizes),
        Figure(name="agent: processor", value=100 * used, unit="% of a core", sizes=sizes),
    ]
