"""What the scripted aggregator knows of agents, keys, audit and quarantine."""

from tests.tui.scripted import Script


def furnish(script: Script) -> None:
    """Adds it to the estate."""
