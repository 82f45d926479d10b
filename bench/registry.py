"""What a benchmark is, and the list of all that are defined in this folder."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import bench


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number with its unit, and the sizes it was measured at (`rows`, `readings`, `seconds` …)."""

    name: str
    value: float
    unit: str
    sizes: Mapping[str, float] = field(default_factory=dict)


Benchmark = Callable[[str, float], Awaitable[list[Figure]]]
_registered: dict[str, Benchmark] = {}


def benchmark(name: str) -> Callable[[Benchmark], Benchmark]:
    """Register the function under `name`; a name belongs to one function."""

    def register(function: Benchmark) -> Benchmark:
        if name in _registered:
            raise ValueError(f"two benchmarks are called {name}")
        _registered[name] = function
        return function

    return register


def benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name, in order of their names."""
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name != "__main__":
            importlib.import_module(f"bench.{module.name}")
    return dict(sorted(_registered.items()))
