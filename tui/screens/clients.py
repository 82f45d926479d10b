"""Who the customers are: all of them, and what is done with one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from tui.cli.rows import CLIENT_COLUMNS, client_row
from tui.client import Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.failures import CallFailed
from tui.format import days, moment, money, text
from tui.messages import OpenClient
from tui.screens import cells
from tui.screens.client_forms import create_form, edit_form, erase, set_enabled_form
from tui.screens.listing import ListScreen
from tui.screens.what_if import open_what_if
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Client = inventory_pb2.Client

COLUMNS: Sequence[Column[Client]] = (
    Column("ID", lambda c, now: Text(str(c.id), FAINT), 4, right=True, sort="id"),
    Column("Name", lambda c, now: text(c.name), 16, share=1, sort="name"),
    Column("Buckets", lambda c, now: Text(f"{c.buckets:,}"), 9, right=True, sort="buckets"),
    Column("Assets", lambda c, now: Text(f"{c.assets:,}"), 8, right=True, sort="assets", above=76),
    Column(
        "Projected",
        lambda c, now: Text(money(c.projected_cost, c.currency)),
        15,
        right=True,
        sort="projected_cost",
    ),
    Column("Enabled", lambda c, now: cells.either(c.enabled, bad=True), 9),
    Column(
        "Period",
        lambda c, now: Text(days(moment(c.period_start), moment(c.period_end), c.time_zone)),
        18,
        above=100,
    ),
    Column("Created", lambda c, now: cells.created(moment(c.created_at)), 10, sort="created_at", above=76),
)
# What the menu offers, as the request says it.
_ALL, _ENABLED, _DISABLED = "all", "enabled", "disabled"


class ClientsScreen(ListScreen):
    """All clients; a row opens one."""

    NOUNS = frozenset({"client", "bucket", "asset", "projection"})
    MAIN = "clients"
    NEEDS: ClassVar[dict[str, str]] = {
        "new": "Inventory/CreateClient",
        "edit": "Inventory/UpdateClient",
        "set_enabled": "Inventory/SetClientEnabled",
        "erase": "Inventory/EraseClient",
        "what_if": "Analysis/WhatIf",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New"),
        Binding("E", "edit", "Edit"),
        Binding("x", "set_enabled", "Disable / enable"),
        Binding("f", "filters", "Filters"),
        Binding("w", "what_if", "What-if", show=False),
        Binding("X", "erase", "Erase for good", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._only = _ALL

    def make_list(self) -> ListTable[Any]:
        """Every client, or those that are enabled or not."""
        listing: Listing[Client] = Listing(
            noun="clients",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda client: client.id,
            opens=lambda client: OpenClient(client.id, client.name),
            empty="No clients yet.\n\nn makes the first one",
            restricted=self._restricted,
            export=Export("clients", CLIENT_COLUMNS, client_row),
        )
        return ListTable(listing, heading="Clients", clock=self.desk.clock)

    def _restricted(self) -> str:
        return "" if self._only == _ALL else f"{self._only} ×"

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Client], types_pb2.PageInfo]:
        request = inventory_pb2.ListClientsRequest(
            page=page.message(),
            search=search,
            enabled=self._only == _ENABLED,
            disabled=self._only == _DISABLED,
        )
        reply = await self.desk.aggregator.ask(self.desk.aggregator.inventory.ListClients, request)
        return reply.clients, reply.page

    def search_for(self, wanted: str) -> None:
        """Among all clients: who jumps here did not ask for the restriction."""
        self._restrict(_ALL)
        super().search_for(wanted)

    @work(exclusive=True, group="filters")
    async def action_filters(self) -> None:
        """A menu."""
        choices = [
            Choice(_ALL, "all clients", "a"),
            Choice(_ENABLED, "enabled ones", "e"),
            Choice(_DISABLED, "disabled ones", "d"),
        ]
        found = await self.app.push_screen_wait(ChooseDialog("Show", choices, at=self._only))
        if found is not None:
            self._restrict(found)

    def _restrict(self, only: str) -> None:
        self._only = only
        empty = (
            "No clients yet.\n\nn makes the first one"
            if only == _ALL
            else f"No client is {only}.\n\nesc shows all"
        )
        self.table.listing = replace(self.table.listing, empty=empty)
        self.table.restart()

    def action_up(self) -> None:
        """First clears the filter, then the restriction, then leaves."""
        if self.table.clear_filter():
            return
        if self._only != _ALL:
            self._restrict(_ALL)
        else:
            super().action_up()

    # Acts.

    def _client(self) -> Client | None:
        chosen = self.chosen()
        return chosen[0] if chosen else None

    @work(exclusive=True, group="prepare")
    async def action_new(self) -> None:
        """A form, filled from the client that was made last."""
        try:
            last = await self.desk.aggregator.clients(Page(size=1, sort="id", descending=True))
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        self.fill(create_form(self.desk, last.clients[0] if last.clients else None))

    def action_edit(self) -> None:
        """What it is called, when its periods close, how its time is cut."""
        client = self._client()
        if client is None:
            return
        if client.erased:
            self.say("This client is erased: name and contact stay as they are.")
        else:
            self.fill(edit_form(self.desk, client))

    def action_set_enabled(self) -> None:
        """From a local midnight on."""
        client = self._client()
        if client is not None:
            self.fill(set_enabled_form(self.desk, client))

    def action_erase(self) -> None:
        """Who it is, for good."""
        client = self._client()
        if client is None:
            return
        if client.erased:
            self.say("This client is erased already.")
        else:
            self.perform(erase(self.desk, client))

    async def action_what_if(self) -> None:
        """What other terms of all its buckets would have cost."""
        client = self._client()
        if client is not None:
            await open_what_if(self, client_id=client.id, name=client.name)
