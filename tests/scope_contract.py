"""Every method of the contract with who may call it, and what a client's key asks of another's things.

The methods come from the descriptors; tests/integration/test_scope.py walks them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ullage.v1 import (
    admin_pb2,
    analysis_pb2,
    billing_pb2,
    closing_pb2,
    exchange_pb2,
    insight_pb2,
    inventory_pb2,
)

ROLES = {"v": "viewer", "o": "operator", "b": "billing", "a": "admin", "c": "client"}

# By initial of the role.
WHO: Mapping[str, str] = {
    "Admin/GetHealth": "voba",
    "Admin/WhoAmI": "vobac",
    "Admin/ListAgents": "voba",
    "Admin/GetAgent": "voba",
    "Admin/CreateEnrolmentToken": "a",
    "Admin/ListEnrolmentTokens": "a",
    "Admin/RevokeEnrolmentToken": "a",
    "Admin/SetAgentsState": "a",
    "Admin/ListQuarantine": "voba",
    "Admin/ListQuarantined": "voba",
    "Admin/ReleaseQuarantine": "oa",
    "Admin/DiscardQuarantine": "oa",
    "Admin/ListJobs": "voba",
    "Admin/RunJob": "a",
    "Admin/ListKeys": "a",
    "Admin/CreateKey": "a",
    "Admin/SetKeyEnabled": "a",
    "Admin/ListAudit": "voba",
    "Admin/UndoAudit": "oba",
    "Analysis/GetOverUnder": "voba",
    "Analysis/GetTrend": "voba",
    "Analysis/ListRightSize": "voba",
    "Analysis/WhatIf": "ba",
    "Analysis/GetRevenue": "voba",
    "Analysis/ListLeakage": "voba",
    "Analysis/GetTrackRecord": "voba",
    "Closing/ListPeriods": "voba",
    "Closing/GetChecklist": "voba",
    "Closing/AcknowledgeItems": "ba",
    "Closing/Finalise": "ba",
    "Closing/Verify": "voba",
    "Closing/Explain": "voba",
    "Closing/ListAdjustments": "voba",
    "Closing/ListTooLate": "voba",
    "Closing/ExportReadings": "ba",
    "Closing/GetRun": "voba",
    "Billing/ListReadings": "vobac",
    "Billing/ListProjections": "vobac",
    "Billing/RunBilling": "ba",
    "Billing/RunProjection": "ba",
    "Exchange/Import": "oba",
    "Exchange/Export": "voba",
    "Exchange/ListReconciliation": "voba",
    "Insight/GetDashboard": "voba",
    "Insight/Watch": "vobac",
    "Inventory/ListClients": "vobac",
    "Inventory/GetClient": "vobac",
    "Inventory/CreateClient": "oba",
    "Inventory/UpdateClient": "oba",
    "Inventory/SetClientEnabled": "ba",
    "Inventory/EraseClient": "a",
    "Inventory/ListAssets": "vobac",
    "Inventory/GetAsset": "vobac",
    "Inventory/GetAssetUsage": "vobac",
    "Inventory/SuggestBindings": "voba",
    "Inventory/AssignAssets": "oa",
    "Inventory/AcknowledgeAssets": "oa",
    "Inventory/DescribeAssets": "oa",
    "Inventory/SetAssetsEnabled": "oa",
    "Inventory/DisregardAssets": "oa",
    "Inventory/RestoreAssets": "oa",
    "Inventory/BindAssets": "oa",
    "Inventory/UnbindAssets": "oa",
    "Inventory/ReleaseAssets": "oa",
    "Inventory/MergeAssets": "oa",
    "Inventory/ListAssignmentRules": "voba",
    "Inventory/CreateAssignmentRule": "oa",
    "Inventory/UpdateAssignmentRule": "oa",
    "Inventory/DeleteAssignmentRule": "oa",
    "Inventory/ListUnitTypes": "vobac",
    "Inventory/CreateUnitType": "a",
    "Inventory/UpdateUnitType": "a",
    "Inventory/CreateTemplate": "a",
    "Inventory/UpdateTemplate": "a",
    "Inventory/DeleteTemplate": "a",
    "Inventory/Provision": "ba",
    "Inventory/ListSuppressions": "voba",
    "Inventory/CreateSuppression": "oa",
    "Inventory/EndSuppression": "oa",
    "Inventory/ListBuckets": "vobac",
    "Inventory/GetBucket": "vobac",
    "Inventory/CreateBucket": "ba",
    "Inventory/UpdateBucket": "oba",
    "Inventory/SetTerms": "ba",
    "Inventory/DeleteTerms": "ba",
    "Inventory/SetBucketsEnabled": "ba",
    "Inventory/ReviewBuckets": "oba",
}


@dataclass
class Theirs:
    """One client with one of everything; every name has the client's word in it."""

    word: str
    client: int = 0
    bucket: int = 0
    asset: int = 0
    series: int = 0
    key: str = ""


def contract() -> dict[str, tuple[type[Message], type[Message], bool]]:
    """Each method with its request, its reply, and whether that is a stream."""
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
        f"{service.name}/{method.name}": (
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            method.server_streaming,
        )
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


CONTRACT = contract()

# What a client's key asks of another's; the reply must say that there is no such thing, or not mention it.
ASKED: Mapping[str, Callable[[Theirs], list[Message]]] = {
    "Admin/WhoAmI": lambda other: [admin_pb2.WhoAmIRequest()],
    "Billing/ListReadings": lambda other: [
        billing_pb2.ListReadingsRequest(),
        billing_pb2.ListReadingsRequest(client_id=other.client),
        billing_pb2.ListReadingsRequest(bucket_id=other.bucket),
    ],
    "Billing/ListProjections": lambda other: [
        billing_pb2.ListProjectionsRequest(),
        billing_pb2.ListProjectionsRequest(client_id=other.client),
    ],
    "Insight/Watch": lambda other: [insight_pb2.WatchRequest()],
    "Inventory/ListClients": lambda other: [
        inventory_pb2.ListClientsRequest(),
        inventory_pb2.ListClientsRequest(search=other.word),
    ],
    "Inventory/GetClient": lambda other: [inventory_pb2.GetClientRequest(id=other.client)],
    "Inventory/ListAssets": lambda other: [
        inventory_pb2.ListAssetsRequest(),
        inventory_pb2.ListAssetsRequest(client_id=other.client),
        inventory_pb2.ListAssetsRequest(bucket_id=other.bucket),
        inventory_pb2.ListAssetsRequest(search=other.word),
        inventory_pb2.ListAssetsRequest(unassigned=True),
        inventory_pb2.ListAssetsRequest(unbound=True),
        inventory_pb2.ListAssetsRequest(disregarded=True),
    ],
    "Inventory/GetAsset": lambda other: [inventory_pb2.GetAssetRequest(id=other.asset)],
    "Inventory/GetAssetUsage": lambda other: [inventory_pb2.GetAssetUsageRequest(id=other.asset)],
    "Inventory/ListUnitTypes": lambda other: [inventory_pb2.ListUnitTypesRequest()],
    "Inventory/ListBuckets": lambda other: [
        inventory_pb2.ListBucketsRequest(),
        inventory_pb2.ListBucketsRequest(client_id=other.client),
        inventory_pb2.ListBucketsRequest(search=other.word),
    ],
    "Inventory/GetBucket": lambda other: [inventory_pb2.GetBucketRequest(id=other.bucket)],
}
