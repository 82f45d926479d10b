"""What the scripted aggregator knows of unbound assets and what is suggested for them."""

from tests.tui.scripted import Script


def furnish(script: Script) -> None:
    """Adds it to the estate."""
