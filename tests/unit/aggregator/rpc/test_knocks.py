"""How often strangers may knock."""

import pytest

from aggregator.rpc.knocks import ALL_AT_ONCE, PEERS_MAX, PER_PEER_A_SECOND, PER_PEER_AT_ONCE, Knocks, network


def test_a_peer_may_knock_so_often_at_once_and_then_at_its_pace() -> None:
    knocks = Knocks()
    assert all(not knocks.wait_seconds("ipv4:192.0.2.1:1", 0.0) for _ in range(int(PER_PEER_AT_ONCE)))
    wait = knocks.wait_seconds("ipv4:192.0.2.1:2", 0.0)
    assert wait == pytest.approx(1 / PER_PEER_A_SECOND)
    assert knocks.wait_seconds("ipv4:192.0.2.1:3", wait) == 0
    assert knocks.wait_seconds("ipv4:192.0.2.1:3", wait) > 0


def test_many_peers_together_are_bounded_too() -> None:
    knocks = Knocks()
    waits = [
        knocks.wait_seconds(f"ipv4:10.0.{n // 256}.{n % 256}:1", 0.0) for n in range(int(ALL_AT_ONCE) + 5)
    ]
    assert sum(not wait for wait in waits) == int(ALL_AT_ONCE)


def test_peers_that_are_remembered_are_bounded() -> None:
    knocks = Knocks()
    for number in range(PEERS_MAX + 100):
        knocks.wait_seconds(f"ipv6:%5B2001:db8:{number % 65536:x}:{number // 65536:x}::1%5D:1", float(number))
    assert len(knocks._peers) == PEERS_MAX


@pytest.mark.parametrize(
    ("peer", "counted_as"),
    [
        ("ipv4:192.0.2.1:50", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2:aaaa::1%5D:50", "2001:db8:1:2::"),
        ("ipv6:[2001:db8:1:2:bbbb::1]:50", "2001:db8:1:2::"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:50", "192.0.2.1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50", "fe80::"),
        ("unix:/run/x", "unix"),
        ("", ""),
        ("ipv4:what:50", "ipv4"),
    ],
)
def test_a_peer_is_counted_by_its_address_or_its_network(peer: str, counted_as: str) -> None:
    assert network(peer) == counted_as
