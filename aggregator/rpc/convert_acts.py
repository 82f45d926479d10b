"""What acts on assets did, as messages, beside convert.py and by the same rules."""

from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.actions.asset_act import Done
from aggregator.errors import Invalid
from aggregator.rpc.convert_preview import to_message
from ullage.v1 import asset_acts_pb2, inventory_pb2
from ullage.wire import to_time


def act(done: Done) -> asset_acts_pb2.ActReply:
    """Field by field."""
    return asset_acts_pb2.ActReply(
        changed=done.changed,
        preview=None if done.preview is None else to_message(done.preview),
        audit_group=done.audit_group,
    )


def assigned(done: Done) -> inventory_pb2.AssignAssetsReply:
    """Field by field."""
    return inventory_pb2.AssignAssetsReply(
        changed=done.changed,
        preview=None if done.preview is None else to_message(done.preview),
        audit_group=done.audit_group,
    )


def given_time(request: Message, field: str) -> datetime | None:
    """A time of the request, None where none is given. Raises ``Invalid`` for one that no calendar has."""
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    try:
        return to_time(stamp)
    except (ValueError, OverflowError) as error:
        raise Invalid(field, "is no time; write it like 2026-01-31T12:00:00Z") from error
