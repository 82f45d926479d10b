"""Decimals and times, to and from the fields of messages."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_decimal(value: Decimal | None) -> str:
    """Plain notation without exponent; empty for None."""
    return "" if value is None else format(value, "f")


def to_decimal(text: str) -> Decimal | None:
    """None for an empty text. Raises ``ValueError`` for what is not a finite number."""
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return value


def from_time(at: datetime | None) -> Timestamp | None:
    """A message for an aware time, None for None (which leaves a message field unset)."""
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def to_time(stamp: Timestamp) -> datetime:
    """Aware, UTC, microseconds."""
    return stamp.ToDatetime(tzinfo=UTC)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """An aware UTC time. Raises ``OverflowError`` outside the years 1 to 9999."""
    return _EPOCH + micros * _MICROSECOND
