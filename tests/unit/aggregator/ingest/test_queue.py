"""Who is served next, and who is sent away."""

import asyncio

import pytest

from aggregator.ingest.judge import Offered
from aggregator.ingest.queue import FairQueue, Waiting


def waiting(agent: int, seq: int, *, since: float = 0.0, payload: bytes = b"x") -> Waiting:
    batch = Offered(
        agent_id=agent,
        epoch=b"e" * 16,
        seq=seq,
        sha256=b"",
        received_us=0,
        payload=payload,
        content=None,
    )
    return Waiting(batch, since=since)


def taken(queue: FairQueue, count: int) -> list[tuple[int, int]]:
    group = queue.take(batches_max=count, readings_max=1)
    return [(one.batch.agent_id, one.batch.seq) for one in group]


async def test_an_agent_with_a_backlog_does_not_hold_up_another() -> None:
    queue = FairQueue()
    for seq in range(1, 6):
        queue.put(waiting(1, seq))
    queue.put(waiting(2, 1))
    queue.put(waiting(3, 1))
    assert taken(queue, 4) == [(1, 1), (2, 1), (3, 1), (1, 2)]
    assert taken(queue, 9) == [(1, 3), (1, 4), (1, 5)]
    assert len(queue) == 0


async def test_what_waited_too_long_leaves_with_what_is_behind_it() -> None:
    now = asyncio.get_running_loop().time()
    queue = FairQueue()
    queue.put(waiting(1, 1, since=now - 3600))
    queue.put(waiting(1, 2, since=now))
    queue.put(waiting(2, 1, since=now))
    assert [(one.batch.agent_id, one.batch.seq) for one in queue.overdue()] == [(1, 1), (1, 2)]
    assert taken(queue, 9) == [(2, 1)]


async def test_a_queue_is_full_by_bytes_too_and_empty_when_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.ingest.queue.QUEUE_BYTES_MAX", 10)
    queue = FairQueue()
    queue.put(waiting(1, 1, payload=b"x" * 9))
    full = [queue.full]
    queue.put(waiting(1, 2, payload=b"x"))
    full.append(queue.full)
    assert len(queue.drain()) == 2
    assert [*full, queue.full] == [False, True, False]
    assert len(queue) == 0
