"""One log format for all programs: a JSON object a line on stderr, with time, level, event and its data.

Values are escaped by JSON, so nothing an agent or a file supplies can start a new line or write to a terminal.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_FIELDS = "ullage_fields"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str = "info") -> None:
    """Sends all logs of the process to stderr. ``level``: debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def fields(**data: object) -> dict[str, dict[str, object]]:
    """For ``extra=``: a constant event text, and the data beside it."""
    return {_FIELDS: data}
