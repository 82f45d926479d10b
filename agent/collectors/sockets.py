"""Programs that are asked through a Unix socket and need not be installed.

One that was never there is no failure: nothing is said about its assets, and one line of the log tells it. One that was
there and is gone has failed: its assets are unknown, not absent.
"""

import logging
import stat
from pathlib import Path

from ullage.log import fields

log = logging.getLogger(__name__)


class Presence:
    """Whether the first of some sockets exists that does."""

    def __init__(self, collector: str, paths: tuple[str, ...]) -> None:
        self._collector = collector
        self._paths = paths
        self._told = False
        self.was_seen = False

    def find(self) -> str:
        """The socket's path; empty while there was none ever. Raises ``FileNotFoundError`` when it vanished."""
        for path in self._paths:
            if _is_socket(Path(path)):
                self.was_seen = True
                return path
        if self.was_seen:
            raise FileNotFoundError(f"{' and '.join(self._paths)} vanished: is its service stopped?")
        if not self._told:
            log.info(
                "nothing to collect from: the socket is not there",
                extra=fields(collector=self._collector, sockets=list(self._paths)),
            )
        self._told = True
        return ""


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
