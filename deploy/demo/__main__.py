"""`make demo`: meters this host, simulates a year of a dozen clients beside it, and opens the terminal on both.

Without a terminal, or with ONCE=1 in the environment, the same job runs once without a screen and ends with one JSON
object on standard output.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import grpc.aio

from deploy.demo.backfill import Backfill
from deploy.demo.book import open_book
from deploy.demo.folder import THIS_AGENT, THIS_INTERVAL_SECONDS, THIS_SITE, Folder
from deploy.demo.office import Office, figures
from deploy.demo.plans import World
from deploy.demo.programs import BIN, DemoError, ready_line, running
from deploy.demo.weeks import HELD_AGENT, HELD_SITE, correct, see_to_assets, settle_in
from deploy.demo.world import build

TICKS_OF_THIS_HOST = 3
THIS_HOST_SECONDS_MAX = 60.0
CERTIFICATES_AT_ONCE = 2


def say(text: str) -> None:
    """Progress, for the eye."""
    print(text, file=sys.stderr, flush=True)


async def main() -> int:
    """The exit code."""
    started = time.monotonic()
    once = os.environ.get("ONCE", "") not in {"", "0"} or not all(
        stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
    )
    folder = Folder(Path(os.environ.get("ULLAGE_DEMO_DIR", ".demo")).resolve(), now=datetime.now(UTC))
    # What the simulated agents' uplinks say, as those of real agents do in their own logs.
    logging.basicConfig(filename=folder.logs / "simulated.log")
    world = build(days=folder.state.days)
    say("setting up: configuration, certificates, schema, key")
    await folder.set_up()
    async with AsyncExitStack() as stack:
        log = folder.logs / "aggregator.log"
        log_bytes = log.stat().st_size if log.exists() else 0
        aggregator = await stack.enter_async_context(
            running("ullage-aggregator", "--config", folder.aggregator_config, "serve", log=log)
        )
        ready = await ready_line(aggregator, since_byte=log_bytes)
        office = Office.open(address=ready["people"], ca=folder.ca, key_file=folder.key)
        stack.push_async_callback(office.channel.close)
        seen_before = await office.batches_of(THIS_AGENT)
        say("issuing certificates to agents")
        await issue_certificates(folder, world)
        config = folder.write_agent_config(address=ready["agents"])
        await stack.enter_async_context(
            running("ullage-agent", "run", "--config", str(config), log=folder.logs / "agent.log")
        )
        if not folder.state.booked:
            say("entering clients, rules and buckets")
            await open_book(office, world, first_day=folder.state.first, this_agent=THIS_AGENT)
            await settle_in(office, folder)
            folder.done("booked")
        backfill = await stack.enter_async_context(Backfill.open(folder, world, address=ready["agents"]))
        await backfill.catch_up(say)
        await work_out(office, folder, world, address=ready["people"])
        if once:
            await this_host_seen(office, batches=seen_before + TICKS_OF_THIS_HOST)
            result = await figures(office, this_agent=THIS_AGENT)
            result["seconds"] = round(time.monotonic() - started, 1)
        else:
            async with backfill.live():
                return await terminal(folder, address=ready["people"])
    print(json.dumps(result))
    return 0


async def issue_certificates(folder: Folder, world: World) -> None:
    """For this host and every simulated agent, a few at once: each is a command of its own."""
    gate = asyncio.Semaphore(CERTIFICATES_AT_ONCE)

    async def issue(name: str, site: str) -> None:
        async with gate:
            await folder.issue_agent(name, site=site)

    async with asyncio.TaskGroup() as group:
        group.create_task(issue(THIS_AGENT, THIS_SITE))
        group.create_task(issue(HELD_AGENT, HELD_SITE))
        for agent in world.agents:
            group.create_task(issue(agent.name, agent.site))


async def work_out(office: Office, folder: Folder, world: World, *, address: str) -> None:
    """Roll-up, binding, billing of all periods, projection: the jobs of the timetable, now and in this order.

    On the first run people do their part in between, each with a key of their own.
    """

    async def run(job: str, words: str) -> None:
        say(words)
        say(f"  {await office.run_job(job)}")

    await run("rollup", "rolling up")
    await run("binding", "binding assets to buckets")
    async with AsyncExitStack() as stack:
        operations, accounts = (
            Office.open(address=address, ca=folder.ca, key_file=folder.key_of(name))
            for name in ("operations", "accounts")
        )
        stack.push_async_callback(operations.channel.close)
        stack.push_async_callback(accounts.channel.close)
        if not folder.state.triaged:
            await see_to_assets(operations, world, days=folder.state.days)
            await run("provisioning", "provisioning buckets")
            await office.run_job("binding")
            folder.done("triaged")
        await run("billing", "billing")
        if not folder.state.corrected:
            await correct(operations, accounts, world, first_day=folder.state.first)
            await office.run_job("binding")
            await run("billing", "billing what was corrected")
            folder.done("corrected")
    await run("projection", "projecting")


async def this_host_seen(office: Office, *, batches: int) -> None:
    """Waits until that many batches of this host (one a tick) are stored and its assets are assigned."""
    say(f"waiting for {TICKS_OF_THIS_HOST} ticks of this host, one every {THIS_INTERVAL_SECONDS} s")
    deadline = time.monotonic() + THIS_HOST_SECONDS_MAX
    while await office.batches_of(THIS_AGENT) < batches:
        if time.monotonic() > deadline:
            raise DemoError("this host's agent has sent nothing; logs/agent.log in the data folder says why")
        await asyncio.sleep(0.5)
    await office.run_job("binding")


async def terminal(folder: Folder, *, address: str) -> int:
    """The terminal in the foreground, until it is left; its exit code."""
    process = await asyncio.create_subprocess_exec(
        str(BIN / "ullage"), "--address", address, "--ca", str(folder.ca), "--key-file", str(folder.key)
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def ended_by_signals() -> AsyncIterator[None]:
    """SIGINT, SIGTERM and SIGHUP cancel the block, so that every program it started is ended in order."""
    loop, task = asyncio.get_running_loop(), cast(asyncio.Task[int], asyncio.current_task())
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def run() -> int:
    """`main` with every expected failure as a sentence and an exit code."""
    try:
        async with ended_by_signals():
            return await main()
    except DemoError as error:
        say(f"the demo stopped: {error}")
    except grpc.aio.AioRpcError as error:
        say(f"the demo stopped: the aggregator answered {error.code().name}: {error.details()}")
    except asyncio.CancelledError:
        say("interrupted; every program the demo started has ended")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
