"""What the scripted aggregator knows of over/under, trends and track records."""

from tests.tui.scripted import Script


def furnish(script: Script) -> None:
    """Adds it to the estate."""
