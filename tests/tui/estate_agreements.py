"""What the scripted aggregator knows of buckets' terms and what-if."""

from tests.tui.scripted import Script


def furnish(script: Script) -> None:
    """Adds it to the estate."""
