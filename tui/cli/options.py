"""Options and arguments that many commands take, with one meaning and one spelling everywhere."""

import click

from tui.cli.output import FORMATS
from tui.cli.values import Whole

form_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How rows are written to stdout. JSON and CSV carry every field.",
)
limit_option = click.option(
    "--limit",
    type=Whole(1, bits=32),
    help="Stop after so many rows and say how many there are. Without it: all of them.",
)
sort_option = click.option("--sort", default="", metavar="FIELD", help="Order by this column.")
descending_option = click.option("--descending", is_flag=True, help="The order reversed.")
search_option = click.option(
    "--search", default="", metavar="TEXT", help="Only where TEXT is part of a name, any case."
)
client_option = click.option(
    "--client", default="", metavar="CLIENT", help="Only of this client: id or name."
)
source_option = click.option(
    "--source", default="", metavar="TYPE", help="Only of this source type, e.g. vm."
)
unit_option = click.option("--unit", default="", metavar="TYPE", help="Only of this unit type, e.g. ram.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what it would do, in assets and money, and do nothing."
)
confirm_option = click.option(
    "--confirm",
    "confirmed",
    type=Whole(0, bits=32),
    default=0,
    metavar="N",
    help="Needed where more than a tenth of all assets is concerned: their number, as the dry run says it.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
