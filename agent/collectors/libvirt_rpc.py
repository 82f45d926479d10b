"""The few calls of libvirt's remote protocol that asking for statistics takes, over a Unix socket.

Messages are XDR (RFC 4506) behind a length and a header: https://libvirt.org/kbase/internals/rpc.html; types and numbers are
those of libvirt's remote_protocol.x. libvirt calls the protocol internal, but has only ever added to it, because every old
client speaks it to every new server; a reply that is not as expected is a failure, never a figure.
"""

import socket
import struct
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
STRING_BYTES_MAX = 4 * 1024 * 1024
DOMAINS_MAX = 16_384
PARAMETERS_MAX = 65_536
AUTHENTICATIONS_MAX = 20
COMPLAINT_CHARACTERS_MAX = 200
READ_BYTES = 64 * 1024

_PROGRAM = 0x20008086
_VERSION = 1
_CONNECT_OPEN = 1
_AUTH_LIST = 66
_AUTH_POLKIT = 70
_GET_ALL_DOMAIN_STATS = 344
_CALL, _REPLY = 0, 1
_STATUS_OK, _STATUS_ERROR = 0, 1
_NO_AUTHENTICATION, _POLKIT = 0, 2
_READ_ONLY = 1
_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IIiiIi")
_INT, _UINT, _LLONG, _ULLONG, _DOUBLE, _BOOLEAN, _STRING = range(1, 8)
_NUMBERS = {
    _INT: struct.Struct(">i"),
    _UINT: struct.Struct(">I"),
    _LLONG: struct.Struct(">q"),
    _ULLONG: struct.Struct(">Q"),
    _DOUBLE: struct.Struct(">d"),
    _BOOLEAN: struct.Struct(">i"),
}
_T = TypeVar("_T")


class Failed(Exception):
    """libvirt did not answer, refused, or said something else; the text says what."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A virtual machine and its statistics by libvirt's names. ``number``: of this run of it; None when it does not run."""

    name: str
    uuid: str
    number: int | None
    figures: Mapping[str, int | float | str]


class Reader:
    """Takes XDR values off the front of a message. Raises ``Failed`` when they are not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, kind: struct.Struct = _NUMBERS[_UINT]) -> int:
        """One number of this layout."""
        (value,) = kind.unpack(self._take(kind.size))
        return value  # type: ignore[no-any-return]

    def string(self) -> str:
        """Bytes that are not UTF-8 become lone surrogates, as in file names."""
        length = self.number()
        if length > STRING_BYTES_MAX:
            raise Failed(f"libvirt sent a string of {length} bytes")
        # Filled up to a multiple of four.
        return self._take(length + -length % 4)[:length].decode("utf-8", "surrogateescape")

    def optional_string(self) -> str:
        """Empty for none."""
        return self.string() if self.number() else ""

    def opaque(self, length: int) -> bytes:
        """So many bytes; a multiple of four."""
        return self._take(length)

    def list_of(self, item: Callable[[], _T], *, items_max: int) -> list[_T]:
        """A counted list."""
        count = self.number()
        if count > items_max:
            raise Failed(f"libvirt sent a list of {count}, at most {items_max} are taken")
        return [item() for _ in range(count)]

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise Failed("libvirt's message ends too early")
        taken, self._at = self._data[self._at : end], end
        return taken


class Connection:
    """One connection, for one round of calls. ``seconds_max`` holds for all of them together."""

    def __init__(self, path: str, *, seconds_max: float) -> None:
        self._ends = time.monotonic() + seconds_max
        self._seconds_max = seconds_max
        self._serial = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(seconds_max)
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise Failed(f"{path} cannot be reached: {error.strerror or error}") from error

    def close(self) -> None:
        """libvirt forgets a client that hangs up."""
        self._socket.close()

    def open(self, uri: str) -> None:
        """Read only, as what ``uri`` names."""
        reply = self._call(_AUTH_LIST, b"")
        offered = reply.list_of(reply.number, items_max=AUTHENTICATIONS_MAX)
        if offered and _NO_AUTHENTICATION not in offered:
            if _POLKIT not in offered:
                raise Failed(
                    'libvirt wants a password on this socket: give the read-only one, with auth_unix_ro = "none"'
                )
            self._call(_AUTH_POLKIT, b"")
        self._call(_CONNECT_OPEN, _LENGTH.pack(1) + string(uri) + _LENGTH.pack(_READ_ONLY))

    def domain_stats(self, groups: int) -> list[Domain]:
        """All domains with these groups of statistics (bits of virDomainStatsTypes)."""
        no_domains_named, no_flags = 0, 0
        reply = self._call(_GET_ALL_DOMAIN_STATS, struct.pack(">III", no_domains_named, groups, no_flags))
        return reply.list_of(lambda: _domain(reply), items_max=DOMAINS_MAX)

    def _call(self, procedure: int, arguments: bytes) -> Reader:
        self._serial += 1
        header = _HEADER.pack(_PROGRAM, _VERSION, procedure, _CALL, self._serial, _STATUS_OK)
        body = header + arguments
        try:
            self._socket.settimeout(self._left())
            self._socket.sendall(_LENGTH.pack(len(body) + _LENGTH.size) + body)
            while True:
                message = self._message()
                program, _, _, kind, serial, status = _HEADER.unpack(message[: _HEADER.size])
                if (program, kind, serial) == (_PROGRAM, _REPLY, self._serial):
                    break
        except TimeoutError as error:
            raise Failed(f"libvirt did not answer within {self._seconds_max:g} s") from error
        except OSError as error:
            raise Failed(f"the connection to libvirt broke: {error.strerror or error}") from error
        reader = Reader(message[_HEADER.size :])
        if status == _STATUS_ERROR:
            reader.number()
            reader.number()
            said = reader.optional_string()[:COMPLAINT_CHARACTERS_MAX]
            raise Failed(f"libvirt refused: {''.join(c if c.isprintable() else '?' for c in said)}")
        if status != _STATUS_OK:
            raise Failed(f"libvirt answered with the unknown status {status}")
        return reader

    def _message(self) -> bytes:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        length -= _LENGTH.size
        if not _HEADER.size <= length <= MESSAGE_BYTES_MAX:
            raise Failed(f"libvirt sent a message of {length} bytes: is this libvirt's socket?")
        return self._read(length)

    def _read(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            self._socket.settimeout(self._left())
            part = self._socket.recv(min(READ_BYTES, length - len(parts)))
            if not part:
                raise Failed("libvirt hung up: is this its socket, and may this user read from it?")
            parts += part
        return bytes(parts)

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def string(text: str) -> bytes:
    """As XDR."""
    data = text.encode("utf-8", "surrogateescape")
    return _LENGTH.pack(len(data)) + data + bytes(-len(data) % 4)


def _domain(reply: Reader) -> Domain:
    name = reply.string()
    identity = str(uuid.UUID(bytes=reply.opaque(16)))
    number = reply.number(_NUMBERS[_INT])
    figures = dict(reply.list_of(lambda: (reply.string(), _value(reply)), items_max=PARAMETERS_MAX))
    return Domain(name, identity, number if number >= 0 else None, figures)


def _value(reply: Reader) -> int | float | str:
    kind = reply.number(_NUMBERS[_INT])
    if kind == _STRING:
        return reply.string()
    if kind not in _NUMBERS:
        raise Failed(f"libvirt sent a figure of the unknown type {kind}")
    return reply.number(_NUMBERS[kind])
