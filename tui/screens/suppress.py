"""The form for a new suppression, filled in beforehand where something is to be suppressed that is on view."""

from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, FormError, Values
from tui.format import clean
from ullage.v1 import inventory_pb2, types_pb2

FIELDS = ("name", "external_id", "source_type", "address", "agent", "site", "label:")
TYPES = {
    "glob": types_pb2.OPERATOR_GLOB,
    "exact": types_pb2.OPERATOR_EQUALS,
    "regex": types_pb2.OPERATOR_REGEX,
    "cidr": types_pb2.OPERATOR_CIDR,
}
ACT_SECONDS_MAX = 120.0


def suppression_form(
    desk: Desk, *, field: str = "name", kind: str = "glob", pattern: str = "", then: str = ""
) -> Form:
    """Field, type, pattern and reason; the dry run says what would vanish. ``then``: what else there is to do."""

    def act(values: Values) -> Act:
        named = values["field"]
        if named == "label:":
            if not values["label"]:
                raise FormError("label", "Which label? Its key belongs here, such as env.")
            named = f"label:{values['label']}"
        condition = types_pb2.Condition(
            field=named, operator=TYPES[values["type"]], pattern=values["pattern"]
        )

        async def call(trial: Trial) -> inventory_pb2.CreateSuppressionReply:
            request = inventory_pb2.CreateSuppressionRequest(
                condition=condition,
                reason=values["reason"],
                dry_run=trial.dry_run,
                confirmed_assets=trial.confirmed,
            )
            return await desk.aggregator.ask(
                desk.aggregator.inventory.CreateSuppression, request, seconds=ACT_SECONDS_MAX
            )

        return Act(
            title=f"Suppress {named} {values['type']} {values['pattern']}",
            call=call,
            warns="From their next batch on nothing of matching assets is stored. What is stored already stays.",
            undoable=False,
            done=lambda reply: f"Suppressed: {clean(values['pattern'])}. :suppressions ends it{then}.",
        )

    return Form(
        title="New suppression",
        says="Matching assets are dropped at ingest: no asset, no readings, only counters of what was dropped.",
        fields=(
            Field(
                "field",
                "Field",
                value=field,
                choices=[(one, one) for one in FIELDS],
                hint="What is compared.",
            ),
            Field("label", "Label's key", hint="Only with the field label: - such as env."),
            Field(
                "type",
                "Type",
                value=kind,
                choices=[(one, one) for one in TYPES],
                hint="glob: * and ?; regex: must match as a whole; cidr: a network such as 10.0.0.0/8.",
            ),
            Field("pattern", "Pattern", value=pattern, required=True, hint="Such as test-*"),
            Field("reason", "Reason", required=True, hint="Whoever finds it later wants to know why."),
        ),
        act=act,
        go="Dry run",
    )
