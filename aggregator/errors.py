"""The kinds of error, by what the caller should do next.

    UllageError
    ├── Invalid      the request is wrong: change the named field
    ├── NotFound     there is no such thing (for this caller)
    ├── Conflict     the world is not as the request supposed: look again
    ├── Denied       the caller may not do this
    └── Unavailable  not now: try again later

Expected outcomes are values; these say that the caller or the world is wrong. They are mapped to gRPC status in one
place (rpc/server.py) and to exit codes in another (__main__.py).
"""


class UllageError(Exception):
    """Base of all errors whose text may be shown to the caller."""


class Invalid(UllageError):
    """The request is wrong. ``field`` names what to change, the text says how."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


class NotFound(UllageError):
    """There is no such record, or none that this caller may know of."""

    def __init__(self, noun: str, key: object) -> None:
        super().__init__(f"there is no {noun} {key}")


class Conflict(UllageError):
    """The world has moved on, or something of that name exists already."""


class Denied(UllageError):
    """The caller is not who it would have to be; the text says which role is needed."""


class Unavailable(UllageError):
    """Something this depends on is away; the same request may succeed later."""
