"""Servers of other programs, played: HTTP over TCP or a Unix socket, and raw conversations."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# From the path asked for to status and body; None: hang until the client gives up.
Answer = Callable[[str], tuple[int, bytes] | None]


class _Quiet(socketserver.BaseServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class _UnixServer(_Quiet, socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class _TcpServer(_Quiet, ThreadingHTTPServer):
    daemon_threads = True


def _handler(answer: Answer, asked: list[str], keep_alive: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"

        def do_GET(self) -> None:
            asked.append(self.path)
            answered = answer(self.path)
            if answered is None:
                # The end of the client's side.
                self.connection.recv(1)
                return
            status, body = answered
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "client"

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Not to stderr."""

    return Handler


@contextlib.contextmanager
def unix_http(path: Path, answer: Answer, *, keep_alive: bool = True) -> Iterator[list[str]]:
    """The paths asked for so far."""
    asked: list[str] = []
    with _serving(_UnixServer(str(path), _handler(answer, asked, keep_alive))):
        yield asked
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def tcp_http(answer: Answer) -> Iterator[str]:
    """Its address as http://127.0.0.1:port."""
    server = _TcpServer(("127.0.0.1", 0), _handler(answer, [], keep_alive=True))
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


@contextlib.contextmanager
def unix_talk(path: Path, talk: Callable[[socket.socket], object]) -> Iterator[None]:
    """Calls ``talk`` with each connection; the connection is closed when it returns."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            talk(self.request)

    with _serving(_UnixServer(str(path), Handler)):
        yield
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
