"""All commands, put together: importing a noun's modules hangs its verbs on its group."""

import click

from tui.cli import (
    asset_acts,
    bucket_terms,
    corrections,
    evidence,
    exchange,
    periods,
    readings_export,
    suggestions,
    templates,
)
from tui.cli.agents import agents
from tui.cli.assets import assets
from tui.cli.audit import audit
from tui.cli.billing import billing
from tui.cli.buckets import buckets
from tui.cli.check import check
from tui.cli.clients import clients
from tui.cli.completion import completion
from tui.cli.dashboard import dashboard
from tui.cli.jobs import jobs
from tui.cli.keys import keys
from tui.cli.over_under import over_under
from tui.cli.profiles import profiles
from tui.cli.projections import projections
from tui.cli.quarantine import quarantine
from tui.cli.revenue import leakage, revenue
from tui.cli.right_size import right_size, what_if
from tui.cli.rules import assignment_rules
from tui.cli.suppressions import suppressions
from tui.cli.unit_types import unit_types

# Imported for the verbs that they add to the groups above.
ADDED = (
    asset_acts,
    bucket_terms,
    corrections,
    evidence,
    exchange,
    periods,
    readings_export,
    suggestions,
    templates,
)

COMMANDS: tuple[click.Command, ...] = (
    check,
    dashboard,
    clients,
    assets,
    buckets,
    billing,
    projections,
    over_under,
    right_size,
    what_if,
    revenue,
    leakage,
    unit_types,
    assignment_rules,
    suppressions,
    quarantine,
    agents,
    keys,
    audit,
    jobs,
    profiles,
    completion,
)
