"""Which changes can be taken back: decisions about what is whose, never money, keys or agents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_ALL = frozenset({"insert", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What was done to records of a table: insert, update (of these columns) or delete."""

    table: str
    action: str
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Reversible:
    """``columns``: those whose update can be taken back; None: all. ``method``: who may call it may take it back."""

    method: str
    actions: frozenset[str] = _ALL
    columns: frozenset[str] | None = None


_REVERSIBLE: Mapping[str, _Reversible] = {
    "asset": _Reversible(
        "Inventory/AssignAssets",
        frozenset({"update"}),
        frozenset({"acknowledged_at", "enabled", "description", "assigned_by_hand", "disregarded_at"}),
    ),
    "asset_pause": _Reversible("Inventory/SetAssetsEnabled"),
    "assignment": _Reversible("Inventory/AssignAssets"),
    "binding": _Reversible("Inventory/BindAssets"),
    "assignment_rule": _Reversible("Inventory/UpdateAssignmentRule"),
    "bucket_filter": _Reversible("Inventory/UpdateBucket"),
    "bucket": _Reversible(
        "Inventory/UpdateBucket", frozenset({"update"}), frozenset({"name", "priority", "reviewed"})
    ),
    "suppression": _Reversible("Inventory/CreateSuppression", frozenset({"insert", "update"})),
}
_WORDS = {
    "api_key": "keys",
    "enrolment_token": "enrolment tokens",
    "bucket_terms": "terms and prices",
    "bucket": "that a bucket was made, ended or given to somebody",
    "asset": "merging",
    "client_cycle": "a client's calendar",
    "template_price": "prices of templates",
    "contract_count": "counts of contracts",
}
_ACTS = {"insert": "made", "update": "changed", "delete": "removed"}


def why_not(kinds: Iterable[Kind]) -> str:
    """Why a group of such changes cannot be taken back, in a sentence; empty when it can."""
    for kind in sorted(kinds, key=lambda kind: kind.table):
        known = _REVERSIBLE.get(kind.table)
        if (
            known is None
            or kind.action not in known.actions
            or (known.columns is not None and not known.columns.issuperset(kind.columns))
        ):
            what = _WORDS.get(kind.table, f"{kind.table.replace('_', ' ')} {_ACTS[kind.action]}")
            return f"{what} cannot be undone; change it by hand"
    return ""


def methods(kinds: Iterable[Kind]) -> frozenset[str]:
    """Methods (Service/Method) that somebody who takes back such changes must be allowed to call."""
    return frozenset(known.method for kind in kinds if (known := _REVERSIBLE.get(kind.table)))
