"""Pages on the wire: what a request for one asks, and the token that leads to the next.

A token is the last row's sort keys, so it means something only to the list and the order it came from. It is no secret and
proves nothing: whatever is in it ends up as a parameter, and one that was tampered with starts somewhere else.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from aggregator.errors import Invalid
from aggregator.store.paging import ROWS_DEFAULT, ROWS_MAX, Page, Paging, Position
from ullage.v1 import types_pb2

TOKEN_CHARACTERS_MAX = 8_000
SEARCH_CHARACTERS_MAX = 200
_ID_MAX = 2**63 - 1
_DIGITS_MAX = 200


def to_paging(request: types_pb2.PageRequest, sorts: Sequence[str], *, descending: bool = False) -> Paging:
    """What the request asks; ``sorts`` are the names of the list's orders, the default (and its direction) first.

    Raises ``Invalid`` naming the field.
    """
    if request.size > ROWS_MAX:
        raise Invalid("page.size", f"a page has at most {ROWS_MAX} rows")
    sort = request.sort or sorts[0]
    if sort not in sorts:
        raise Invalid("page.sort", f"this list can be sorted by {', '.join(sorts)}")
    backwards = request.descending if request.sort else request.descending != descending
    return Paging(
        sort=sort,
        descending=backwards,
        size=request.size or ROWS_DEFAULT,
        after=_position(request.after, sort, backwards) if request.after else None,
    )


def page_info(page: Page[object], paging: Paging) -> types_pb2.PageInfo:
    """How to get the next page, and how many rows there are in all."""
    return types_pb2.PageInfo(next=_token(page.next, paging) if page.next else "", total=page.total)


def search_text(text: str, field: str = "search") -> str:
    """What a list is searched for. Raises ``Invalid`` where no name could contain it."""
    if len(text) > SEARCH_CHARACTERS_MAX:
        raise Invalid(field, f"at most {SEARCH_CHARACTERS_MAX} characters")
    if any(ord(character) < ord(" ") for character in text):
        raise Invalid(field, "control characters are in no name")
    return text


def _token(position: Position, paging: Paging) -> str:
    keys = [
        paging.sort,
        paging.descending,
        position.text,
        str(position.number),
        position.time.isoformat(),
        position.id,
    ]
    return urlsafe_b64encode(json.dumps(keys, separators=(",", ":")).encode()).decode()


def _position(token: str, sort: str, descending: bool) -> Position:
    wrong = Invalid("page.after", "not a token of this list and order; begin again with the first page")
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise wrong
    try:
        keys = json.loads(urlsafe_b64decode(token.encode("ascii")))
        of_sort, of_direction, text, number, time, row_id = keys
        position = Position(str(text), Decimal(number), datetime.fromisoformat(time), int(row_id))
    except (ValueError, TypeError, InvalidOperation, RecursionError, binascii.Error) as error:
        raise wrong from error
    fits = (
        [of_sort, of_direction] == [sort, descending]
        and "\0" not in position.text
        and position.number.is_finite()
        and abs(position.number.adjusted()) <= _DIGITS_MAX
        and position.time.tzinfo is not None
        and 0 <= position.id <= _ID_MAX
    )
    if not fits:
        raise wrong
    return position
