"""The one way from the terminal to an aggregator: every call typed, bounded in time, and with errors for people.

Only this package knows gRPC. Calls return the contract's messages; what goes wrong is a ``CallFailed`` with a sentence
that says what to do. ``Aggregator.watch`` never ends by itself: it reconnects.
"""

from tui.client.aggregator import Aggregator
from tui.client.pages import PAGE_ROWS_MAX, AssetQuery, Page
from tui.client.watch import Changed, Connected, Event, Lost
from tui.client.wire import JOB_SECONDS_MAX, RUN_SECONDS_MAX

__all__ = [
    "JOB_SECONDS_MAX",
    "PAGE_ROWS_MAX",
    "RUN_SECONDS_MAX",
    "Aggregator",
    "AssetQuery",
    "Changed",
    "Connected",
    "Event",
    "Lost",
    "Page",
]
