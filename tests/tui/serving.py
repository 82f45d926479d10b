"""The scripted aggregator as a process of its own, for tests that run the program in an event loop of their own."""

import asyncio
import sys
from pathlib import Path

import trustme

from tests.tui.estate import estate
from tests.tui.scripted import Scripted


async def serve(folder: Path) -> None:
    """Serves the estate until stdin ends; ``folder`` gets the certificate and the key, stdout the address."""
    scripted = Scripted(estate(), trustme.CA())
    await scripted.start()
    variables = scripted.environment(folder)
    print(variables["ULLAGE_ADDRESS"], flush=True)  # noqa: T201 - that is its job
    await asyncio.to_thread(sys.stdin.read)
    await scripted.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
