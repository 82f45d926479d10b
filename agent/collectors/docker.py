"""Containers by the Docker Engine's API (also Podman's), through its Unix socket: processor time, memory, traffic.

Running containers only. One that is started again begins anew; its start is known, so its counters count from 0. The API is
documented at https://docs.docker.com/reference/api/engine/.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from agent.collectors import requests, started
from agent.collectors.sockets import Presence
from agent.snapshot import Asset, Counter, Level, Snapshot, asset

SOURCE_TYPE = "container"
SECONDS_MAX = 8.0
CONTAINERS_MAX = 2_000
ANSWER_BYTES_MAX = 8 * 1024 * 1024
NETWORK_CHARACTERS_MAX = 64
_SOCKET = "/run/docker.sock"
_JSON = "application/json"
_NANOSECONDS_PER_MILLISECOND = 1_000_000
_MICROSECONDS = 1_000_000
_ID = re.compile(r"[0-9a-f]{12,128}")
_TIME = re.compile(
    r"(?P<second>[0-9-]{10}T[0-9:]{8})(\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})"
)
# Removed or stopped between two requests.
_GONE = {404, 409}
_UNITS_IN = ("net-in", "rate-in")
_UNITS_OUT = ("net-out", "rate-out")
_Count = Annotated[int, msgspec.Meta(ge=0)]
_T = TypeVar("_T")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """``[docker]``."""

    socket: Annotated[
        str, msgspec.Meta(pattern="^/", description="give the absolute path of the Engine's socket")
    ] = _SOCKET


# Of each answer what is needed; the names are the API's.
class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    names: list[str] | None = None
    image: str = ""


class _State(msgspec.Struct, frozen=True, rename="pascal"):
    running: bool
    started_at: str


class _HostConfig(msgspec.Struct, frozen=True, rename="pascal"):
    memory: _Count = 0


class _Inspected(msgspec.Struct, frozen=True, rename="pascal"):
    state: _State
    host_config: _HostConfig = _HostConfig()


class _CpuUsage(msgspec.Struct, frozen=True):
    total_usage: _Count


class _CpuStats(msgspec.Struct, frozen=True):
    cpu_usage: _CpuUsage


class _MemoryStats(msgspec.Struct, frozen=True):
    usage: _Count | None = None


class _NetworkStats(msgspec.Struct, frozen=True):
    rx_bytes: _Count
    tx_bytes: _Count


class _Stats(msgspec.Struct, frozen=True):
    cpu_stats: _CpuStats
    memory_stats: _MemoryStats = _MemoryStats()
    networks: dict[str, _NetworkStats] | None = None


class Docker:
    """Units cpu (ms), ram-used and, where it is limited, ram (bytes), net and rate in and out, per container."""

    def __init__(self, section: Section, *, seconds_max: float = SECONDS_MAX) -> None:
        self._presence = Presence("docker", (section.socket,))
        self._seconds_max = seconds_max

    @property
    def source_types(self) -> tuple[str, ...]:
        """None while there is no Docker."""
        return (SOURCE_TYPE,) if self._presence.was_seen else ()

    def collect(self) -> Snapshot:
        """Containers that end meanwhile are left out. Raises ``requests.Failed``."""
        path = self._presence.find()
        if not path:
            return Snapshot()
        place = requests.Place(unix_socket=path)
        with requests.conversation(place, seconds_max=self._seconds_max) as asking:
            listed = _ask(asking, "/containers/json", list[_Listed])
            if listed is None or len(listed) > CONTAINERS_MAX:
                raise requests.Failed(f"{place} lists no containers, or more than {CONTAINERS_MAX}")
            found = [_container(asking, one) for one in listed]
        return Snapshot(
            tuple(level for snapshot in found for level in snapshot.levels),
            tuple(counter for snapshot in found for counter in snapshot.counters),
        )


def _container(asking: requests.Conversation, listed: _Listed) -> Snapshot:
    if not _ID.fullmatch(listed.id):
        raise requests.Failed("a container's id is none: is this Docker's socket?")
    path = f"/containers/{listed.id}"
    inspected = _ask(asking, f"{path}/json", _Inspected)
    if inspected is None or not inspected.state.running:
        return Snapshot()
    stats = _ask(asking, f"{path}/stats?stream=false&one-shot=true", _Stats)
    if stats is None:
        return Snapshot()
    names = listed.names or []
    thing = asset(
        SOURCE_TYPE, listed.id, name=names[0].lstrip("/") if names else "", labels={"image": listed.image}
    )
    levels = []
    if stats.memory_stats.usage is not None:
        levels.append(Level(thing, "ram-used", stats.memory_stats.usage))
    if inspected.host_config.memory:
        levels.append(Level(thing, "ram", inspected.host_config.memory))
    return Snapshot(tuple(levels), tuple(_counters(thing, inspected.state.started_at, stats)))


def _counters(thing: Asset, started_at: str, stats: _Stats) -> Iterator[Counter]:
    started_us = started.boottime_us(_wall_us(started_at))
    used_ms = stats.cpu_stats.cpu_usage.total_usage // _NANOSECONDS_PER_MILLISECOND
    yield Counter(thing, "cpu", used_ms, started_at, started_us)
    for name, network in sorted((stats.networks or {}).items()):
        for units, value in ((_UNITS_IN, network.rx_bytes), (_UNITS_OUT, network.tx_bytes)):
            for unit in units:
                # A network may be connected later than the container's start, with counters from then on.
                yield Counter(thing, unit, value, f"{started_at}/{name[:NETWORK_CHARACTERS_MAX]}", started_us)


def _ask(asking: requests.Conversation, path: str, wanted: type[_T]) -> _T | None:
    """None when what was asked for is gone."""
    status, body = asking.get(path, bytes_max=ANSWER_BYTES_MAX, accept=_JSON)
    if status in _GONE:
        return None
    if status != requests.OK:
        raise requests.Failed(f"Docker answered {path} with HTTP status {status}")
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise requests.Failed(f"Docker's answer to {path} is not as documented: {error}") from error


def _wall_us(text: str) -> int:
    """RFC 3339 with up to nine digits of the second, as microseconds since 1970; rounded down, so a start is not late."""
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(f"{found['second']}{found['zone']}")
    except ValueError as error:
        raise requests.Failed("a container's start is no time: is this Docker's socket?") from error
    return int(moment.timestamp()) * _MICROSECONDS + int(f"{found['fraction'] or ''}000000"[:6])
