"""A client as somebody asks for it, checked and with real types."""

from dataclasses import dataclass

from aggregator.domain.period import Cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """``currency`` is an ISO 4217 code, ``currency_digits`` the digits of its minor unit; the cycle names the zone."""

    name: str
    currency: str
    currency_digits: int
    cycle: Cycle
