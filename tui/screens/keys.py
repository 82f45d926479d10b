"""Who may ask and act: API keys, shown once when they are made, and disabled when they are done with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.cli.keys import KEY_COLUMNS, ROLES, key_row
from tui.client import Page
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, FormError, Values
from tui.dialogs.shown import TextDialog
from tui.format import NONE, ago, clean, day, moment, text
from tui.messages import ShowText
from tui.screens import cells
from tui.screens.asset_search import Clients
from tui.screens.listing import ListScreen, local_page
from tui.theme import ATTENTION, FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import keys_pb2, types_pb2

ApiKey = keys_pb2.ApiKey
# What each role may do, in few words; docs/roles.md has the whole table.
ROLE_WORDS = {
    "viewer": "sees everything, changes nothing",
    "operator": "and acts on assets, rules, suppressions, quarantine",
    "billing": "and on terms, buckets, runs, closing",
    "admin": "everything, keys and agents too",
    "client": "sees one client alone",
}
# A key that nobody used for so long is worth a look.
IDLE_DAYS = 90


def _used(key: ApiKey, now: datetime) -> Text:
    at = moment(key.last_used_at)
    if at is None:
        return Text("never", FAINT)
    return Text(ago(at, now), ATTENTION if (now - at).days >= IDLE_DAYS else "")


COLUMNS: Sequence[Column[ApiKey]] = (
    Column("ID", lambda k, now: Text(str(k.id), FAINT), 5, right=True, sort="id"),
    Column("Name", lambda k, now: text(k.name), 16, share=2, sort="name"),
    Column("Role", lambda k, now: Text(clean(k.role)), 9, sort="role"),
    Column("Client", lambda k, now: text(k.client_name or NONE), 12, share=1),
    Column("Begins with", lambda k, now: text(k.prefix, FAINT), 14, above=100),
    Column("Enabled", lambda k, now: cells.either(k.enabled), 8),
    Column("Created", lambda k, now: Text(day(moment(k.created_at)), FAINT), 10, above=76, sort="created_at"),
    Column("Last used", _used, 11, sort="last_used_at"),
)


class KeysScreen(ListScreen):
    """All keys; the secret itself is in no list."""

    MAIN = "keys"
    NEEDS: ClassVar[dict[str, str]] = {"add": "Admin/CreateKey", "switch": "Admin/SetKeyEnabled"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "add", "New"),
        Binding("x", "switch", "Disable/enable"),
    ]

    def make_list(self) -> ListTable[Any]:
        """The aggregator gives them as a whole."""
        listing: Listing[ApiKey] = Listing(
            noun="API keys",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda one: one.id,
            opens=lambda one: ShowText(f"API key {one.name}", told(one)),
            empty="No API keys.\n\nn makes one",
            export=Export("keys", KEY_COLUMNS, key_row),
        )
        return ListTable(listing, heading="API keys", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[ApiKey], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.ask(
            self.desk.aggregator.admin.ListKeys, keys_pb2.ListKeysRequest()
        )
        return local_page(reply.keys, page, search, "name", "role", "client_name")

    def action_add(self) -> None:
        """Name and role; the key is shown once afterwards."""

        def act(values: Values) -> Act:
            if (values["role"] == "client") != bool(values["client_id"]):
                raise FormError("client_id", "Role client, and no other, needs the client that it sees.")

            async def call(trial: Trial) -> keys_pb2.CreateKeyReply:
                request = keys_pb2.CreateKeyRequest(
                    name=values["name"], role=values["role"], client_id=int(values["client_id"] or 0)
                )
                return await self.desk.aggregator.ask(self.desk.aggregator.admin.CreateKey, request)

            return Act(
                title=f"New API key {values['name']}",
                call=call,
                dry=False,
                asks=False,
                undoable=False,
                done=lambda reply: f"API key {clean(reply.api_key.name)} made.",
            )

        self.fill(
            Form(
                title="New API key",
                says="The key is shown once, afterwards, and stored nowhere.",
                fields=(
                    Field("name", "Name", required=True, hint="Who or what uses it, such as wallboard."),
                    Field(
                        "role",
                        "Role",
                        choices=[(one, f"{one}: {ROLE_WORDS[one]}") for one in ROLES],
                        hint="As little as will do.",
                    ),
                    Field("client_id", "Client", search=Clients(self.desk), hint="With role client alone."),
                ),
                act=act,
                go="Make it",
            )
        )

    def performed(self, act: Act, reply: Any) -> None:
        """A new key is shown: now or never."""
        super().performed(act, reply)
        if isinstance(reply, keys_pb2.CreateKeyReply):
            lines = [
                Text("Shown this once and stored nowhere:"),
                Text(""),
                Text(clean(reply.key, 400), "bold"),
                Text(""),
                Text(f"{clean(reply.api_key.name)}, role {clean(reply.api_key.role)}"),
            ]
            _ = self.app.push_screen(TextDialog("New API key", lines, copies=reply.key))

    def action_switch(self) -> None:
        """Refuses the key from now on, or takes it again."""
        rows: list[ApiKey] = self.chosen()
        if not rows:
            return
        one = rows[0]

        async def call(trial: Trial) -> ApiKey:
            request = keys_pb2.SetKeyEnabledRequest(id=one.id, enabled=not one.enabled)
            return await self.desk.aggregator.ask(self.desk.aggregator.admin.SetKeyEnabled, request)

        word = "Disable" if one.enabled else "Enable"
        own = self.desk.identity is not None and self.desk.identity.key_name == one.name
        self.perform(
            Act(
                title=f"{word} the API key {one.name}",
                call=call,
                dry=False,
                warns=(
                    ("This is the key that you use yourself: this terminal ends with it. " if own else "")
                    + "Whoever uses it is refused, on every aggregator within seconds."
                    if one.enabled
                    else "Whoever has it can use it again."
                ),
                undoable=False,
                done=lambda reply: f"{clean(reply.name)} is {'enabled' if reply.enabled else 'disabled'}.",
            )
        )


def told(one: ApiKey) -> list[str]:
    """All that is known of a key."""
    return [
        f"Name: {one.name}",
        f"Role: {one.role} ({ROLE_WORDS.get(one.role, 'unknown')})",
        *([f"Client: {one.client_name}"] if one.client_id else []),
        f"Begins with: {one.prefix}",
        f"State: {'enabled' if one.enabled else 'disabled'}",
        f"Created: {day(moment(one.created_at))}",
        f"Last used: {day(moment(one.last_used_at))}",
    ]
