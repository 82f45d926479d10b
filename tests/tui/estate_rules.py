"""What the scripted aggregator knows of unit types, templates and suppressions."""

from tests.tui.scripted import Script


def furnish(script: Script) -> None:
    """Adds it to the estate."""
