"""gRPC ignores an option whose name it does not know, so a misspelt limit is no limit."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from aggregator.rpc import server
from ullage import channel


@pytest.mark.parametrize("name", sorted({name for name, _ in (*channel.OPTIONS, *server.OPTIONS)}))
def test_every_option_is_one_that_grpc_knows(name: str) -> None:
    spec = find_spec("grpc._cython.cygrpc")
    assert spec is not None
    assert spec.origin is not None
    library = Path(spec.origin).read_bytes()
    assert name.encode() + b"\0" in library


def test_the_server_lets_clients_ping_as_often_as_they_do() -> None:
    options = dict(server.OPTIONS)
    assert options["grpc.http2.min_ping_interval_without_data_ms"] < channel.KEEPALIVE_SECONDS * 1000
