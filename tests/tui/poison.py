"""Replies in which every text is hostile: what an agent, a file, a person or an aggregator could have written anywhere.

``Poisoned`` answers as the scripted aggregator does, then walks over the reply by its descriptors. Figures, dates and the
contract's own words stay, so that screens draw what they draw in earnest; with ``everything`` they are hostile too.
"""

import json
import re
import zlib
from typing import Any

import trustme
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.tui import builders
from tests.tui.scripted import Script, Scripted
from ullage.v1 import (
    admin_pb2,
    analysis_pb2,
    billing_pb2,
    closing_pb2,
    exchange_pb2,
    insight_pb2,
    inventory_pb2,
)

_FILES = (admin_pb2, analysis_pb2, billing_pb2, closing_pb2, exchange_pb2, insight_pb2, inventory_pb2)

# In place of ISO 4217's three letters.
CURRENCIES = ("\x1b[2", "[r]", "\u202eE", "\x9b1", "E\u0301\u0302", "a\nb", "💶€𝄞")
# What the contract itself says: states, aggregations, kinds. With figures, dates and months they are no names.
_OURS = re.compile(
    r"-?[\d.]+|\d{4}-\d\d(-\d\d)?|"
    "month|week|avg|sum|max|min|p95|last|count|level|amount|total|second|zero|hold \\d+|over|under|mixed|even|on-track|"
    "ok|warning|critical|active|held|retired|revoked|open|used|expired|slow|full|running|done|failed|skipped|"
    "paths|run-rate|insert|update|delete|measured|absent|gap|not-possible|look-back|below-floor|"
    "grace|agent-silent|coverage|quarantine|not-reviewed|unbound|terms|not-rated|"
    "viewer|operator|billing|admin|client|rollup|projection|binding|Europe/Berlin"
)
# Tokens of pages, which nobody shows.
_HIDDEN = ("ullage.v1.PageInfo.next",)


def hostile(value: str, field: FieldDescriptor, *, row: int, everything: bool) -> str:
    """What stands in this field instead; what was the same text is the same hostile text."""
    if field.full_name in _HIDDEN or (not everything and (not value or _OURS.fullmatch(value))):
        return value
    if value.startswith(("{", "[")) and value != "[r]":
        names = [f"{name}{number}" for number, name in enumerate(builders.HOSTILE[:-1])]
        return json.dumps({name: [name, {name: None}] for name in names})
    if field.name == "currency":
        return CURRENCIES[zlib.crc32(value.encode()) % len(CURRENCIES)]
    if everything:
        return builders.HOSTILE[(row + field.number) % len(builders.HOSTILE)]
    return builders.HOSTILE[zlib.crc32(value.encode()) % len(builders.HOSTILE)] + value


def poison(message: Message, *, everything: bool, row: int = 0) -> None:
    """Every text of the message and of the messages in it."""
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
            value[:] = [hostile(one, field, row=at, everything=everything) for at, one in enumerate(value)]
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, hostile(value, field, row=row, everything=everything))
        elif field.message_type is None or field.message_type.full_name.startswith("google."):
            continue
        elif field.message_type.GetOptions().map_entry:
            _poison_map(value)
        elif field.is_repeated:
            for at, one in enumerate(value):
                poison(one, everything=everything, row=at)
        elif message.HasField(field.name):
            poison(value, everything=everything, row=row)


def _poison_map(entries: Any) -> None:
    """Labels and counts: the keys are somebody's words too."""
    for number, key in enumerate(list(entries)):
        name = builders.HOSTILE[number % (len(builders.HOSTILE) - 1)]
        held = entries.pop(key)
        entries[name + key] = name + held if isinstance(held, str) else held


class Poisoned(Scripted):
    """The scripted aggregator, all of whose texts are hostile."""

    def __init__(self, script: Script, authority: trustme.CA, *, everything: bool = False) -> None:
        super().__init__(script, authority)
        self._everything = everything
        for name in vars(Scripted):
            # What the class answers itself is not given a plain answer.
            vars(self).pop(name, None)
        for service in (one for file in _FILES for one in file.DESCRIPTOR.services_by_name.values()):
            for method in service.methods:
                if not method.server_streaming:
                    setattr(self, method.name, self._poisoning(getattr(self, method.name)))

    def _poisoning(self, answer: Any) -> Any:
        async def poisoned(request: Any, context: Any) -> Message:
            said: Message = await answer(request, context)
            reply = type(said)()
            reply.CopyFrom(said)
            poison(reply, everything=self._everything)
            return reply

        return poisoned
