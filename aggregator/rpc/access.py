"""Who may call what: API keys to callers, and the table of roles by method.

A method without a line in the table is a mistake that keeps the server from starting, not a method for everyone.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aggregator.errors import Denied, UllageError
from aggregator.rpc.caller import Caller
from aggregator.store import keys
from aggregator.store.database import Database
from aggregator.store.keys import ApiKey
from ullage.v1 import (
    admin_pb2,
    analysis_pb2,
    billing_pb2,
    closing_pb2,
    exchange_pb2,
    insight_pb2,
    inventory_pb2,
)

# A disabled key stops working after this.
KEY_CACHE_SECONDS = 5.0
KEYS_CACHED_MAX = 1_024
KEY_CHARACTERS_MAX = 128

_READ = frozenset({"viewer", "operator", "billing", "admin"})
_OPERATE = frozenset({"operator", "admin"})
_BILL = frozenset({"billing", "admin"})
_ADMIN = frozenset({"admin"})
# With the role `client` a caller sees its own client alone: each of these asks rpc/scope.py.
_OWN = _READ | {"client"}

_V1 = "/ullage.v1."
# docs/roles.md is made of it: python -m aggregator.rpc.roles_table > docs/roles.md
ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        f"{_V1}Admin/GetHealth": _READ,
        f"{_V1}Admin/WhoAmI": _OWN,
        f"{_V1}Admin/ListAgents": _READ,
        f"{_V1}Admin/GetAgent": _READ,
        f"{_V1}Admin/CreateEnrolmentToken": _ADMIN,
        f"{_V1}Admin/ListEnrolmentTokens": _ADMIN,
        f"{_V1}Admin/RevokeEnrolmentToken": _ADMIN,
        f"{_V1}Admin/SetAgentsState": _ADMIN,
        f"{_V1}Admin/ListQuarantine": _READ,
        f"{_V1}Admin/ListQuarantined": _READ,
        f"{_V1}Admin/ReleaseQuarantine": _OPERATE,
        f"{_V1}Admin/DiscardQuarantine": _OPERATE,
        f"{_V1}Admin/ListJobs": _READ,
        f"{_V1}Admin/RunJob": _ADMIN,
        f"{_V1}Admin/ListKeys": _ADMIN,
        f"{_V1}Admin/CreateKey": _ADMIN,
        f"{_V1}Admin/SetKeyEnabled": _ADMIN,
        f"{_V1}Admin/ListAudit": _READ,
        f"{_V1}Admin/UndoAudit": _OPERATE | _BILL,
        f"{_V1}Analysis/GetOverUnder": _READ,
        f"{_V1}Analysis/GetTrend": _READ,
        f"{_V1}Analysis/ListRightSize": _READ,
        f"{_V1}Analysis/WhatIf": _BILL,
        f"{_V1}Analysis/GetRevenue": _READ,
        f"{_V1}Analysis/ListLeakage": _READ,
        f"{_V1}Analysis/GetTrackRecord": _READ,
        f"{_V1}Billing/ListReadings": _OWN,
        f"{_V1}Billing/ListProjections": _OWN,
        f"{_V1}Billing/RunBilling": _BILL,
        f"{_V1}Billing/RunProjection": _BILL,
        f"{_V1}Closing/ListPeriods": _READ,
        f"{_V1}Closing/GetChecklist": _READ,
        f"{_V1}Closing/AcknowledgeItems": _BILL,
        f"{_V1}Closing/Finalise": _BILL,
        f"{_V1}Closing/Verify": _READ,
        f"{_V1}Closing/Explain": _READ,
        f"{_V1}Closing/ListAdjustments": _READ,
        f"{_V1}Closing/ListTooLate": _READ,
        f"{_V1}Closing/ExportReadings": _BILL,
        f"{_V1}Closing/GetRun": _READ,
        f"{_V1}Exchange/Import": _OPERATE | _BILL,
        f"{_V1}Exchange/Export": _READ,
        f"{_V1}Exchange/ListReconciliation": _READ,
        f"{_V1}Insight/GetDashboard": _READ,
        f"{_V1}Insight/Watch": _OWN,
        f"{_V1}Inventory/ListClients": _OWN,
        f"{_V1}Inventory/GetClient": _OWN,
        f"{_V1}Inventory/CreateClient": _OPERATE | _BILL,
        f"{_V1}Inventory/UpdateClient": _OPERATE | _BILL,
        f"{_V1}Inventory/SetClientEnabled": _BILL,
        f"{_V1}Inventory/EraseClient": _ADMIN,
        f"{_V1}Inventory/ListAssets": _OWN,
        f"{_V1}Inventory/GetAsset": _OWN,
        f"{_V1}Inventory/GetAssetUsage": _OWN,
        f"{_V1}Inventory/SuggestBindings": _READ,
        f"{_V1}Inventory/AssignAssets": _OPERATE,
        f"{_V1}Inventory/AcknowledgeAssets": _OPERATE,
        f"{_V1}Inventory/DescribeAssets": _OPERATE,
        f"{_V1}Inventory/SetAssetsEnabled": _OPERATE,
        f"{_V1}Inventory/DisregardAssets": _OPERATE,
        f"{_V1}Inventory/RestoreAssets": _OPERATE,
        f"{_V1}Inventory/BindAssets": _OPERATE,
        f"{_V1}Inventory/UnbindAssets": _OPERATE,
        f"{_V1}Inventory/ReleaseAssets": _OPERATE,
        f"{_V1}Inventory/MergeAssets": _OPERATE,
        f"{_V1}Inventory/ListAssignmentRules": _READ,
        f"{_V1}Inventory/CreateAssignmentRule": _OPERATE,
        f"{_V1}Inventory/UpdateAssignmentRule": _OPERATE,
        f"{_V1}Inventory/DeleteAssignmentRule": _OPERATE,
        f"{_V1}Inventory/ListUnitTypes": _OWN,
        f"{_V1}Inventory/CreateUnitType": _ADMIN,
        f"{_V1}Inventory/UpdateUnitType": _ADMIN,
        f"{_V1}Inventory/CreateTemplate": _ADMIN,
        f"{_V1}Inventory/UpdateTemplate": _ADMIN,
        f"{_V1}Inventory/DeleteTemplate": _ADMIN,
        f"{_V1}Inventory/Provision": _BILL,
        f"{_V1}Inventory/ListSuppressions": _READ,
        f"{_V1}Inventory/CreateSuppression": _OPERATE,
        f"{_V1}Inventory/EndSuppression": _OPERATE,
        f"{_V1}Inventory/ListBuckets": _OWN,
        f"{_V1}Inventory/GetBucket": _OWN,
        f"{_V1}Inventory/CreateBucket": _BILL,
        f"{_V1}Inventory/UpdateBucket": _OPERATE | _BILL,
        f"{_V1}Inventory/SetTerms": _BILL,
        f"{_V1}Inventory/DeleteTerms": _BILL,
        f"{_V1}Inventory/SetBucketsEnabled": _BILL,
        f"{_V1}Inventory/ReviewBuckets": _OPERATE | _BILL,
    }
)
# What hosts that enrol or recover call: a token or the enrolled key proves who they are, there is no API key yet.
ENROLMENT = frozenset(
    {f"{_V1}Enrolment/Enrol", f"{_V1}Enrolment/BeginRecovery", f"{_V1}Enrolment/Recover"},
)
# Asked by probes that have no key; says only whether we serve.
_OPEN = ENROLMENT | {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}
_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

_BEARER = re.compile(r"bearer (ullage_[A-Za-z0-9_-]+)", re.IGNORECASE)


class Unauthenticated(UllageError):
    """Nobody we know: no key, a wrong one, or one that was disabled."""


def methods() -> set[str]:
    """Full names of all methods that people can call, from the generated descriptors."""
    files = (
        admin_pb2.DESCRIPTOR,
        analysis_pb2.DESCRIPTOR,
        billing_pb2.DESCRIPTOR,
        closing_pb2.DESCRIPTOR,
        exchange_pb2.DESCRIPTOR,
        insight_pb2.DESCRIPTOR,
        inventory_pb2.DESCRIPTOR,
    )
    return {
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


def check_table(offered: Iterable[str], table: Mapping[str, frozenset[str]] = ROLES) -> None:
    """Raises ``RuntimeError`` unless the table has one line for each method, and no other."""
    offered = set(offered)
    without, stale = sorted(offered - table.keys()), sorted(table.keys() - offered)
    if without or stale:
        raise RuntimeError(f"the table of roles lacks {without} and has {stale} too many")


def check_role(method: str, role: str) -> None:
    """Raises ``Denied``, naming the roles that would do."""
    allowed = _READ if method == _REFLECTION else ROLES.get(method, frozenset())
    if role not in allowed:
        name = method.rpartition("/")[2]
        wanted = " or ".join(sorted(allowed)) or "none"
        raise Denied(f"{name} needs the role {wanted}; this key has the role {role}")


def methods_of(role: str) -> list[str]:
    """What the role may call, as Service/Method in the order of the table."""
    return [method.removeprefix(_V1) for method, roles in ROLES.items() if role in roles]


def is_open(method: str) -> bool:
    """Whether the method is answered without a key."""
    return method in _OPEN


class KeyRing:
    """Finds the caller behind an API key; asks the database at most once in five seconds for each key."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._cached: dict[bytes, tuple[float, ApiKey | None]] = {}

    async def caller(self, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
        """Raises ``Unauthenticated``, never repeating what was sent, or ``Unavailable`` without a database."""
        key = await self._lookup(keys.digest(_bearer(metadata)))
        if key is None:
            raise Unauthenticated(
                "this API key is unknown; check which aggregator it is for, or ask for a new one"
            )
        if not key.enabled:
            raise Unauthenticated(f"the API key {key.name} is disabled; ask an admin for another")
        return Caller(key.name, key.role, key.client_id, key.id)

    async def _lookup(self, sha256: bytes) -> ApiKey | None:
        now = asyncio.get_running_loop().time()
        cached = self._cached.get(sha256)
        if cached is not None and now < cached[0]:
            return cached[1]
        async with self._db.transaction() as conn:
            key = await keys.find(conn, sha256)
            if key is not None and key.enabled:
                await keys.touch(conn, key.id)
        if len(self._cached) >= KEYS_CACHED_MAX:
            # Keys that were guessed would fill it; those that are in use come back at once.
            self._cached.clear()
        self._cached[sha256] = (now + KEY_CACHE_SECONDS, key)
        return key


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for name, value in metadata if name.lower() == "authorization"]
    if not values:
        raise Unauthenticated(
            "an API key is needed: send metadata `authorization: Bearer ullage_…`; `ullage` takes it from --key-file"
        )
    value = values[0]
    match = (
        _BEARER.fullmatch(value.strip())
        if len(values) == 1 and isinstance(value, str) and len(value) <= KEY_CHARACTERS_MAX
        else None
    )
    if match is None:
        raise Unauthenticated(
            "the metadata `authorization` must be one `Bearer ullage_…` with a whole API key"
        )
    return match[1]
