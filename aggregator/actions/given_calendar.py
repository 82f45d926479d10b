"""Reads what somebody gave about how a client is billed: currency, zone, cycle, patience. Else ``Invalid``, by field."""

from zoneinfo import available_timezones

from babel.numbers import get_currency_precision, list_currencies

from aggregator.domain.client import CLOSE_AFTER_DAYS_MAX
from aggregator.domain.period import Currency
from aggregator.errors import Invalid

CYCLE_UNITS = ("month", "week")
CYCLE_COUNT_MAX = 60


def currency(field: str, code: str) -> Currency:
    """A currency that there is, with the digits of its minor unit."""
    if code not in list_currencies():
        raise Invalid(field, "is no currency; use an ISO 4217 code like EUR")
    return Currency(code, get_currency_precision(code))


def time_zone(field: str, name: str) -> str:
    """A name of the IANA database."""
    if name not in available_timezones():
        raise Invalid(field, "is no time zone; use a name of the IANA database like Europe/Berlin")
    return name


def cycle_unit(field: str, unit: str) -> str:
    """month or week."""
    if unit not in CYCLE_UNITS:
        raise Invalid(field, f"must be one of {', '.join(CYCLE_UNITS)}")
    return unit


def cycle_count(field: str, count: int) -> int:
    """How many units a period has."""
    if not 1 <= count <= CYCLE_COUNT_MAX:
        raise Invalid(field, f"must lie between 1 and {CYCLE_COUNT_MAX}")
    return count


def close_after_days(field: str, days: int | None) -> int | None:
    """None: wait."""
    if days is not None and not 0 <= days <= CLOSE_AFTER_DAYS_MAX:
        raise Invalid(field, f"must lie between 0 and {CLOSE_AFTER_DAYS_MAX}")
    return days
