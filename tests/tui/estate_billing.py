"""What the scripted aggregator knows of periods, checklists and explanations."""

from tests.tui.scripted import Script


def furnish(script: Script) -> None:
    """Adds it to the estate."""
