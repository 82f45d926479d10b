"""`python -m bench`: run the benchmarks, print JSON, and renew the table in docs/benchmarks.md."""

import argparse
import asyncio
import sys
import time

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from aggregator.bench.machine import machine, versions
from aggregator.store.migrate import migrate
from bench.registry import Benchmark, Figure, benchmarks
from bench.report import as_json, table, write
from deploy.timescaledb import Unobtainable, running


def measure(dsn: str, name: str, function: Benchmark, scale: float) -> list[Figure]:
    """Run one benchmark on a migrated database of its own."""
    database = sql.Identifier(f"bench_{name.replace('.', '_')}")
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(database))
        admin.execute(sql.SQL("create database {}").format(database))
        own = make_conninfo(dsn, dbname=f"bench_{name.replace('.', '_')}")
        try:
            asyncio.run(migrate(own))
            began = time.monotonic()
            figures = list(asyncio.run(_await(function, own, scale)))
            sys.stderr.write(f"bench: {name} took {time.monotonic() - began:.0f} s\n")
            return figures
        finally:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(database))


async def _await(function: Benchmark, dsn: str, scale: float) -> list[Figure]:
    return await function(dsn, scale)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="run these only, and leave the document as it is")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and end")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="1.0 is the published size; others are only printed"
    )
    arguments = parser.parse_args()
    known = benchmarks()
    if arguments.list:
        print("\n".join(known))
        return
    if unknown := set(arguments.names) - known.keys():
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    chosen = {name: known[name] for name in arguments.names or known}
    try:
        with running(for_tests=False) as dsn:
            facts = machine(), versions(dsn)
            figures = [
                figure
                for name, function in chosen.items()
                for figure in measure(dsn, name, function, arguments.scale)
            ]
    except Unobtainable as error:
        sys.exit(str(error))
    print(as_json(figures, *facts))
    if not arguments.names and arguments.scale == 1.0:
        write(table(figures, *facts))


if __name__ == "__main__":
    main()
