"""Who is calling, for the service methods that ask; set by the interceptor in server.py before they run."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or program by its API key. ``client_id`` is set with the role ``client`` alone."""

    key_name: str
    role: str
    client_id: int | None = None
    key_id: int | None = None


_caller: ContextVar[Caller] = ContextVar("caller")


def current() -> Caller:
    """The caller of the method that is running. Raises ``LookupError`` outside a call by a person."""
    return _caller.get()


def known() -> Caller | None:
    """The caller, or None where no person called."""
    return _caller.get(None)


def become(caller: Caller) -> None:
    """From here on the running call is this caller's."""
    _caller.set(caller)
