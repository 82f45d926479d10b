"""What a caller may see: all clients, or with the role ``client`` its own alone.

Every read that knows of clients asks here. Another client's records are not refused but not there: who may not see them
should not learn that they exist.
"""

from aggregator.errors import NotFound
from aggregator.rpc import caller


def client_of_caller() -> int | None:
    """The one client that the caller sees; None: all. Raises ``LookupError`` outside a call by a person."""
    return caller.current().client_id


def narrowed(requested_client_id: int) -> int | None:
    """The client to restrict a read to, of which 0 asks for all that the caller may see; None: no restriction.

    Raises ``NotFound`` for another client than the caller's own.
    """
    own = client_of_caller()
    if own is None:
        return requested_client_id or None
    if requested_client_id not in (0, own):
        raise NotFound("client", requested_client_id)
    return own
