"""What the lines of each importable table mean; a table's name is that of the noun it holds."""

from collections.abc import Mapping

from aggregator.actions.imports.assignments import Assignments
from aggregator.actions.imports.buckets import Buckets
from aggregator.actions.imports.clients import Clients
from aggregator.actions.imports.contracts import Contracts
from aggregator.actions.imports.importer import Done, Importer

TABLES: Mapping[str, type[Importer]] = {
    "clients": Clients,
    "buckets": Buckets,
    "assignments": Assignments,
    "contracts": Contracts,
}

__all__ = ["TABLES", "Done", "Importer"]
