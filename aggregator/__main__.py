"""`ullage-aggregator`: runs a command and turns whatever goes wrong into a line and an exit code."""

import logging
import os
import secrets
import sys

import click

from aggregator.cli.program import program
from aggregator.config import ConfigError
from aggregator.embedded import EmbeddedError
from aggregator.errors import Invalid, UllageError, Unavailable

FAILED, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130

_log = logging.getLogger(__name__)


def main() -> None:
    """Ends the process with the exit code."""
    # gRPC's core writes lines of its own format to stderr, one for every stranger at a port.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        code = program.main(prog_name="ullage-aggregator", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        _refuse(str(error), USAGE)
    except Invalid as error:
        _refuse(str(error), USAGE)
    except (Unavailable, EmbeddedError) as error:
        _log.debug("not reachable", exc_info=error)
        _refuse(str(error), UNREACHABLE)
    except UllageError as error:
        _refuse(str(error), FAILED)
    except BrokenPipeError:
        # The reader of our output has gone; python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - the last resort: a person never sees a traceback
        incident = secrets.token_hex(4)
        _log.debug("unexpected failure", exc_info=error, extra={"ullage_fields": {"incident": incident}})
        _refuse(f"unexpected failure {incident} ({type(error).__name__}); --debug shows more", FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(text: str, code: int) -> None:
    sys.stderr.write(f"error: {text}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
