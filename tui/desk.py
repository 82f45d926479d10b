"""What all screens work with and show alike: the aggregator, who asks it, and what was chosen for every money screen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tui.client import Aggregator
from tui.messages import Link
from tui.settings import Settings
from ullage.v1 import admin_pb2

# What these calls begin with, or are, changes nothing; any other one is taken for an act.
_READING = ("List", "Get")
_READS = frozenset(
    {"WhoAmI", "Watch", "Explain", "Verify", "WhatIf", "SuggestBindings", "Export", "ExportReadings"}
)


def reads(method: str) -> bool:
    """Whether a call such as ``Closing/Explain`` only asks."""
    name = method.rpartition("/")[2]
    return name in _READS or name.startswith(_READING)


@dataclass(slots=True)
class Desk:
    """One for the whole program; ``clock`` gives aware times in UTC."""

    aggregator: Aggregator
    clock: Callable[[], datetime]
    link: Link
    # None in programs that draw screens without settings of a person.
    settings: Settings | None = None
    # Key, role and address, once the aggregator has said it.
    who: str = ""
    identity: admin_pb2.Identity | None = None
    # The reporting month of the money screens, "YYYY-MM"; empty: each shows its own newest.
    month: str = ""
    # The currency of charts and sums; empty: the first there is.
    currency: str = ""
    # Those that were seen so far, in that order.
    currencies: list[str] = field(default_factory=list)

    @property
    def read_only(self) -> bool:
        """Whether this terminal offers no acts, whatever the key may do."""
        return self.settings is not None and self.settings.read_only

    def refusal(self, method: str) -> str:
        """Why a call such as ``Inventory/AssignAssets`` may not be made here, in a sentence; empty: it may."""
        if self.read_only and not reads(method):
            return "This terminal is read-only: --read-only or its profile says so."
        identity = self.identity
        if identity is None or not identity.methods or method in identity.methods:
            # Before the aggregator has said who we are it decides by itself.
            return ""
        return f"The key {identity.key_name} has the role {identity.role}, which may not do that."

    def seen_currencies(self, *codes: str) -> None:
        """Remembers what there is to choose from."""
        for code in codes:
            if code and code not in self.currencies:
                self.currencies.append(code)

    def next_currency(self) -> str:
        """Chooses and returns the one after that in use."""
        if self.currencies:
            at = self.currencies.index(self.currency) if self.currency in self.currencies else 0
            self.currency = self.currencies[(at + 1) % len(self.currencies)]
        return self.currency
