"""What becomes of each batch of a group, given what is stored already. Decides; stores nothing, waits for nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aggregator.ingest import limits
from aggregator.ingest.admit import Admitted
from aggregator.ingest.clocks import SAID_NOTHING, Clock
from aggregator.ingest.decode import Later, Lost, Refused
from aggregator.ingest.rules import World
from ullage.v1 import ingest_pb2

RETRY_MS = 1_000
UNREAD_RETRY_MS = 10
NOT_OPENED_RETRY_MS = 60_000

Epoch = tuple[int, bytes]
Number = tuple[int, bytes, int]
# What came of reading the payload; None where it was not read because its number was not the next.
Content = Admitted | Lost | Refused | Later | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Offered:
    """A batch as an agent offers it. ``sha256`` is of the payload as received, not as claimed."""

    agent_id: int
    epoch: bytes
    seq: int
    sha256: bytes
    received_us: int
    payload: bytes
    content: Content
    # The epoch that its own one follows, empty where the agent named none.
    predecessor: bytes = b""
    clock: Clock = SAID_NOTHING
    # The rules under which it was admitted, and how to do that again under others; None where they decide nothing.
    world: World | None = None
    again: "Callable[[World], Awaitable[Offered]] | None" = None

    @property
    def key(self) -> Epoch:
        """Of its cursor."""
        return self.agent_id, self.epoch

    @property
    def number(self) -> Number:
        """Its identity, for ever."""
        return self.agent_id, self.epoch, self.seq

    @property
    def through(self) -> int:
        """Where the cursor stands when it is stored."""
        return self.content.through if isinstance(self.content, Lost) else self.seq

    @property
    def readings(self) -> int:
        """Readings that it brings and that count against the agent's rate."""
        return self.content.totals.read if isinstance(self.content, Admitted) else 0

    @property
    def opens(self) -> bool:
        """Whether it may be the first of its epoch."""
        return self.seq == 1 and isinstance(self.content, Admitted | Lost)


def judge(
    group: Sequence[Offered],
    *,
    cursors: Mapping[Epoch, int],
    hashes: Mapping[Number, bytes],
    shut: Mapping[Epoch, str] | None = None,
) -> list[ingest_pb2.Ack]:
    """The outcome of each batch, in order, given the last number of each epoch and the hashes stored under old numbers.

    An epoch without cursor is unknown; ``shut`` says why it was not let in. A number at or below the cursor is a duplicate
    for ever; it is a conflict only while another hash is still stored under it.
    """
    last, known = dict(cursors), dict(hashes)
    answers = []
    for batch in group:
        answer = _judge_one(
            batch, last.get(batch.key), known.get(batch.number), (shut or {}).get(batch.key, "")
        )
        if answer.outcome == ingest_pb2.OUTCOME_APPLIED:
            last[batch.key] = batch.through
            known[batch.number] = batch.sha256
        answers.append(answer)
    return answers


def _judge_one(batch: Offered, last: int | None, known: bytes | None, shut: str) -> ingest_pb2.Ack:
    answer = ingest_pb2.Ack(epoch=batch.epoch, seq=batch.seq)
    content = batch.content
    if last is not None and batch.seq <= last:
        if known is None or known == batch.sha256:
            answer.outcome = ingest_pb2.OUTCOME_DUPLICATE
        else:
            answer.outcome = ingest_pb2.OUTCOME_CONFLICT
            answer.reason = "another content is stored under this number and stands: seal into a new epoch"
    elif batch.seq != (last or 0) + 1:
        answer.outcome = ingest_pb2.OUTCOME_GAP
        answer.expected = (last or 0) + 1
    elif content is None:
        # Its number was not the next when it came, so it was not read. Now it is: another stream was quicker.
        _later(
            answer, "the number before this one has only just arrived; offer the batch again", UNREAD_RETRY_MS
        )
    elif isinstance(content, Refused):
        answer.outcome = ingest_pb2.OUTCOME_REFUSED
        answer.reason = content.reason
    elif isinstance(content, Later):
        _later(answer, content.reason, content.retry_after_ms)
    elif last is None:
        _later(answer, shut or "this epoch could not be opened; offer the batch again", NOT_OPENED_RETRY_MS)
    else:
        answer.outcome = ingest_pb2.OUTCOME_APPLIED
        if isinstance(content, Admitted):
            _tell(answer, content)
    return answer


def why_not_opened(*, state: str, epochs: int, newest: bytes | None) -> str:
    """What to tell an agent whose new epoch was not let in. It keeps its batches until somebody has decided."""
    if state != "active":
        return f"this agent is {state}: an administrator can make it active again, until then keep the data"
    if epochs >= limits.EPOCHS_PER_AGENT_MAX:
        return f"this agent has had {limits.EPOCHS_PER_AGENT_MAX} epochs: find out why its spool is lost so often"
    return (
        "the epoch before this one was followed by another already, the newest known here is "
        f"{newest.hex() if newest else 'none'}: either two hosts use this agent's certificate, then give one of them its "
        "own, or this host was set back twice, then move its spool aside and start the agent anew"
    )


def _tell(answer: ingest_pb2.Ack, content: Admitted) -> None:
    totals = content.totals
    answer.read, answer.stored = totals.read, totals.stored
    answer.quarantined, answer.suppressed = totals.quarantined, totals.suppressed
    answer.rejected.extend(content.faulty.rejected)


def _later(answer: ingest_pb2.Ack, reason: str, after_ms: int) -> None:
    answer.outcome = ingest_pb2.OUTCOME_BUSY
    answer.reason = reason
    answer.retry_after_ms = after_ms
