"""HTTP requests to programs near by, over TCP or a Unix socket, within one limit of time and one of size.

The limit of time holds for all requests of a connection together: a server that answers a byte a second is cut off like one
that does not answer.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import http.client

READ_BYTES = 64 * 1024
OK = 200


class Failed(Exception):
    """No answer that can be used; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to ask: a Unix socket if there is one, else host and port, which are then only named to the server."""

    host: str = "localhost"
    port: int = 80
    unix_socket: str = ""

    def __str__(self) -> str:
        return self.unix_socket or f"{self.host}:{self.port}"


class Conversation:
    """Requests one after the other, on one connection if the server keeps it. Made by ``conversation``."""

    def __init__(self, place: Place, *, seconds_max: float) -> None:
        self._place = place
        self._seconds_max = seconds_max
        self._ends = time.monotonic() + seconds_max
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._watchdog = threading.Timer(seconds_max, self._break_off)
        self._watchdog.daemon = True
        self._watchdog.start()

    def get(self, path: str, *, bytes_max: int, accept: str) -> tuple[int, bytes]:
        """Status and body. Redirections are not followed. Raises ``Failed``."""
        # With its imports 2 MB, which an agent without such collectors need not hold.
        import http.client

        try:
            connection = self._connected()
            connection.request("GET", path, headers={"Accept": accept, "User-Agent": "ullage-agent"})
            response = connection.getresponse()
            body = bytearray()
            while chunk := response.read(min(READ_BYTES, bytes_max + 1 - len(body))):
                body += chunk
                if len(body) > bytes_max:
                    raise Failed(f"{self._place} answered with more than {bytes_max} bytes")
            if response.length:
                # Read in parts, http.client takes a body that is too short for a whole one.
                raise http.client.IncompleteRead(bytes(body), response.length)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() >= self._ends:
                raise Failed(f"{self._place} did not answer in time") from error
            raise Failed(f"{self._place} did not answer: {type(error).__name__}: {_line(error)}") from error
        if time.monotonic() >= self._ends:
            # What was read until it was cut off may look whole.
            raise Failed(f"{self._place} did not answer in time")
        return response.status, bytes(body)

    def close(self) -> None:
        """At the end, however it came."""
        self._watchdog.cancel()
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.close()

    def _connected(self) -> "http.client.HTTPConnection":
        import http.client

        if self._connection is not None and self._connection.sock is not None:
            return self._connection
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Failed(f"{self._place} did not answer in time")
        try:
            self._socket = _socket(self._place, left)
        except OSError as error:
            raise Failed(f"{self._place} cannot be reached: {error.strerror or error}") from error
        self._connection = http.client.HTTPConnection(self._place.host, self._place.port)
        self._connection.sock = self._socket
        return self._connection

    def _break_off(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def conversation(place: Place, *, seconds_max: float) -> Iterator[Conversation]:
    """Closed at the end of the block, and broken off when the time is over."""
    asking = Conversation(place, seconds_max=seconds_max)
    try:
        yield asking
    finally:
        asking.close()


def get(place: Place, path: str, *, seconds_max: float, bytes_max: int, accept: str) -> bytes:
    """The body of one answer, which must be 200 OK. Raises ``Failed``."""
    with conversation(place, seconds_max=seconds_max) as asking:
        status, body = asking.get(path, bytes_max=bytes_max, accept=accept)
    if status != OK:
        raise Failed(f"{place} answered {path} with HTTP status {status}")
    return body


def _socket(place: Place, seconds_max: float) -> socket.socket:
    if not place.unix_socket:
        return socket.create_connection((place.host, place.port), seconds_max)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds_max)
        sock.connect(place.unix_socket)
    except BaseException:
        sock.close()
        raise
    return sock


def _line(error: BaseException) -> str:
    text = str(error)[:200]
    return "".join(character if character.isprintable() else "?" for character in text)
