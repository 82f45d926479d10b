"""The main screens: their names, keys and titles, and where each is made; none is imported before it is opened."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.desk import Desk
    from tui.screens.live import LiveScreen


@dataclass(frozen=True, slots=True)
class Place:
    """A main screen. ``short`` is its title where there is little room; ``digit`` is empty where ``:`` alone leads."""

    name: str
    title: str
    short: str
    digit: str
    # "module:Class" under tui.screens.
    made_by: str
    # What the palette says beside the title.
    about: str

    def make(self, desk: "Desk") -> "LiveScreen":
        """The screen, new."""
        module, _, name = self.made_by.partition(":")
        screen: LiveScreen = getattr(import_module(f"tui.screens.{module}"), name)(desk)
        return screen


PLACES = (
    Place("dashboard", "Dashboard", "Dash", "1", "dashboard:DashboardScreen", "how things stand"),
    Place("clients", "Clients", "Clients", "2", "clients:ClientsScreen", "who is billed"),
    Place("assets", "Assets", "Assets", "3", "assets:AssetsScreen", "what is metered"),
    Place(
        "unbound", "Unbound", "Unbound", "4", "unbound:UnboundScreen", "triage: metered and billed to nobody"
    ),
    Place("buckets", "Buckets", "Buckets", "5", "buckets:BucketsScreen", "what was agreed"),
    Place("billing", "Billing", "Billing", "6", "billing:BillingScreen", "what periods cost"),
    Place(
        "projections",
        "Projections",
        "Project",
        "7",
        "projections:ProjectionsScreen",
        "what open periods will cost",
    ),
    Place("over-under", "Over/Under", "Over/U", "8", "over_under:OverUnderScreen", "commits against usage"),
    Place("agents", "Agents", "Agents", "9", "agents:AgentsScreen", "agents, jobs, health"),
    Place("unit-types", "Unit types", "", "", "unit_types:UnitTypesScreen", "units and templates"),
    Place(
        "suppressions", "Suppressions", "", "", "suppressions:SuppressionsScreen", "what is dropped at ingest"
    ),
    Place(
        "disregarded", "Disregarded", "", "", "disregarded:DisregardedScreen", "assets left out of billing"
    ),
    Place("keys", "API keys", "", "", "keys:KeysScreen", "who may ask"),
    Place("audit", "Audit", "", "", "audit:AuditScreen", "who changed what"),
)
WITH_DIGIT = tuple(place for place in PLACES if place.digit)
