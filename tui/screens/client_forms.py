"""Forms and acts on clients: made, changed, disabled, enabled, erased."""

from tui.desk import Desk
from tui.dialogs.act import Act, Trial, preview_lines
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, FormError, Values
from tui.format import clean, plural
from tui.screens.given import read_day, read_whole
from ullage.v1 import client_acts_pb2, inventory_pb2

Client = inventory_pb2.Client
UNITS = (("month", "month"), ("week", "week"))
COUNT_MAX = 60
CLOSE_DAYS_MAX = 10_000
CLOSE_HINT = "Finalise so many days after a period's end whatever is open. Empty: wait until nothing is."
CURRENCY_HINT = "ISO 4217, such as EUR. All prices are in it."
ZONE_HINT = "IANA name, such as Europe/Berlin: where its days begin."
_CYCLE = frozenset({"currency", "time_zone", "cycle_unit", "cycle_count"})


def _currency(values: Values) -> str:
    code = values["currency"].upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise FormError("currency", "A currency has three letters, such as EUR.")
    return code


def create_form(desk: Desk, like: Client | None) -> Form:
    """A new client; currency, zone and cycle are those of ``like``, the last one made."""
    today = desk.clock()
    fields = [
        Field("name", "Name", "", "Who is billed.", required=True),
        Field(
            "currency", "Currency", clean(like.currency, 3) if like else "EUR", CURRENCY_HINT, required=True
        ),
        Field(
            "time_zone", "Time zone", clean(like.time_zone, 60) if like else "UTC", ZONE_HINT, required=True
        ),
        Field(
            "cycle_unit",
            "Cycle",
            like.cycle_unit if like else "month",
            "What its periods are made of: left and right change it.",
            choices=UNITS,
        ),
        Field(
            "cycle_count",
            "Of so many",
            str(like.cycle_count) if like else "1",
            "Months or weeks in a period; 3 months: a quarter.",
            required=True,
        ),
        Field(
            "cycle_anchor",
            "First period from",
            f"{today:%Y-%m}-01",
            "First day of its first period, 2026-01-01; periods begin on that day of the month.",
            required=True,
        ),
        Field("close_after_days", "Close after days", _close_words(like), CLOSE_HINT),
        Field("contact", "Contact", "", "Whom to ask."),
    ]

    def act(values: Values) -> Act:
        name = values["name"]
        request = inventory_pb2.CreateClientRequest(
            name=name,
            currency=_currency(values),
            time_zone=values["time_zone"],
            cycle_unit=values["cycle_unit"],
            cycle_count=read_whole(values, "cycle_count", least=1, most=COUNT_MAX) or 1,
            cycle_anchor=read_day(values, "cycle_anchor"),
            close_after_days=read_whole(values, "close_after_days", least=0, most=CLOSE_DAYS_MAX),
            contact=values["contact"],
        )

        async def call(trial: Trial) -> Client:
            return await desk.aggregator.ask(desk.aggregator.inventory.CreateClient, request)

        count = request.cycle_count
        periods = plural(count, request.cycle_unit)
        return Act(
            f"Make the client {clean(name, 60)}",
            call,
            dry=False,
            warns=(
                f"Periods of {periods} from {request.cycle_anchor} on, days of {request.time_zone}, "
                f"money in {request.currency}. A client can be disabled later, never deleted."
            ),
            undoable=False,
            done=lambda made: f"{clean(name, 60)} is client {made.id}.",
        )

    return Form("New client", fields, act)


def _close_words(client: Client | None) -> str:
    held = client is not None and client.HasField("close_after_days")
    return str(client.close_after_days) if client is not None and held else ""


def edit_form(desk: Desk, client: Client) -> Form:
    """What is different from now is sent; another calendar starts at a period's end."""
    fields = [
        Field("name", "Name", clean(client.name), "Who is billed.", required=True),
        Field("contact", "Contact", clean(client.contact), "Whom to ask."),
        Field("close_after_days", "Close after days", _close_words(client), CLOSE_HINT),
        Field("currency", "Currency", clean(client.currency, 3), CURRENCY_HINT, required=True),
        Field("time_zone", "Time zone", clean(client.time_zone, 60), ZONE_HINT, required=True),
        Field("cycle_unit", "Cycle", client.cycle_unit, "What its periods are made of.", choices=UNITS),
        Field("cycle_count", "Of so many", str(client.cycle_count), "In a period.", required=True),
        Field(
            "cycle_from",
            "Cycle from",
            "",
            "The end of a period, from which another currency, zone or cycle holds. Empty: the end of the open one.",
        ),
    ]

    def act(values: Values) -> Act:
        request = edited(client, values)

        async def call(trial: Trial) -> inventory_pb2.UpdateClientReply:
            asked = client_acts_pb2.UpdateClientRequest()
            asked.CopyFrom(request)
            asked.dry_run = trial.dry_run
            return await desk.aggregator.ask(desk.aggregator.inventory.UpdateClient, asked)

        return Act(
            f"Change {clean(client.name, 60)}",
            call,
            undoable=False,
            shows=_lines,
            done=lambda reply: f"{clean(reply.client.name, 60)} was changed.",
        )

    says = "Another currency, zone or cycle holds from the end of a period; what was finalised stays."
    return Form(f"Edit {clean(client.name, 60)}", fields, act, says=says)


def edited(client: Client, values: Values) -> client_acts_pb2.UpdateClientRequest:
    """What differs from the client as it is. Raises ``FormError``, also where nothing does."""
    request = client_acts_pb2.UpdateClientRequest(id=client.id)
    if values["name"] != clean(client.name):
        request.name = values["name"]
    if values["contact"] != clean(client.contact):
        request.contact = values["contact"]
    close = read_whole(values, "close_after_days", least=0, most=CLOSE_DAYS_MAX)
    if close is None:
        request.wait = client.HasField("close_after_days")
    elif not client.HasField("close_after_days") or close != client.close_after_days:
        request.close_after_days = close
    if (currency := _currency(values)) != client.currency:
        request.currency = currency
    if values["time_zone"] != client.time_zone:
        request.time_zone = values["time_zone"]
    if values["cycle_unit"] != client.cycle_unit:
        request.cycle_unit = values["cycle_unit"]
    count = read_whole(values, "cycle_count", least=1, most=COUNT_MAX)
    if count is not None and count != client.cycle_count:
        request.cycle_count = count
    request.cycle_from = read_day(values, "cycle_from")
    of_cycle = {field.name for field, _ in request.ListFields()} & _CYCLE
    if request.cycle_from and not of_cycle:
        raise FormError("cycle_from", "Says from when a change holds: change currency, zone or cycle too.")
    if request == client_acts_pb2.UpdateClientRequest(id=client.id):
        raise FormError("name", "Nothing is different yet.")
    return request


def _lines(reply: inventory_pb2.UpdateClientReply) -> list[str]:
    """What changes, from what to what, then what that means."""
    changes = [
        f"{clean(getattr(line, 'from'), 80) or 'nothing'} → {clean(line.to, 80) or 'nothing'}"
        for line in reply.preview.lines
    ]
    notes = list(reply.preview.notes)
    return [*changes, *([""] if changes and notes else []), *notes] or ["Nothing would change."]


def set_enabled_form(desk: Desk, client: Client) -> Form:
    """Ends all its buckets at a local midnight, or has them go on from one."""
    enabled = not client.enabled
    name = clean(client.name, 60)
    verb = "Enable" if enabled else "Disable"

    def act(values: Values) -> Act:
        on = read_day(values, "on")

        async def call(trial: Trial) -> inventory_pb2.UpdateClientReply:
            request = client_acts_pb2.SetClientEnabledRequest(
                id=client.id, enabled=enabled, on=on, dry_run=trial.dry_run
            )
            return await desk.aggregator.ask(desk.aggregator.inventory.SetClientEnabled, request)

        from_when = f"from {on} on" if on else "from the next local midnight on"
        return Act(
            f"{verb} {name} {from_when}",
            call,
            undoable=False,
            shows=lambda reply: _enabled_lines(reply, enabled=enabled),
            done=lambda reply: f"{name}: {verb.lower()}d {from_when}. x sets it back.",
        )

    return Form(
        title=f"{verb} {name}",
        says=(
            "Buckets that ended with it hold again from that midnight on."
            if enabled
            else "All its buckets end at that midnight. Usage before it stays billed; usage after it is billed to nobody."
        ),
        fields=[Field("on", "On", "", "A local midnight, 2026-01-31. Empty: the next one.")],
        act=act,
    )


def _enabled_lines(reply: inventory_pb2.UpdateClientReply, *, enabled: bool) -> list[str]:
    """Which buckets would not be billed any more, or would be again, then the rest of the preview."""
    buckets = [
        clean(getattr(line, "from"), 60) for line in reply.preview.lines if line.act in {"end", "change"}
    ]
    what = "Billed again" if enabled else "Not billed any more"
    head = f"{what}: {', '.join(buckets)}." if buckets else f"{what}: no bucket is concerned."
    return [head, "", *preview_lines(reply)]


def erase(desk: Desk, client: Client) -> Act:
    """Replaces name and contact for good."""

    async def call(trial: Trial) -> Client:
        request = client_acts_pb2.EraseClientRequest(id=client.id, name=client.name)
        return await desk.aggregator.ask(desk.aggregator.inventory.EraseClient, request)

    return Act(
        f"Erase the client {clean(client.name, 60)} for good",
        call,
        dry=False,
        warns=(
            f"Its name becomes erased-{client.id} and its contact goes, here and in the audit log and in evidence. "
            "Buckets, readings and bills stay as they are under that name. Nothing brings the name back: no undo, no export."
        ),
        word=client.name,
        undoable=False,
        done=lambda erased: f"Client {client.id} is now {clean(erased.name, 60)}.",
    )
