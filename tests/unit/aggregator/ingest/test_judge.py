"""The comparison with the cursor, against a model that keeps everything it was ever given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.ingest.admit import Admitted
from aggregator.ingest.decode import Later, Refused
from aggregator.ingest.judge import Content, Offered, judge, why_not_opened
from aggregator.ingest.quarantine import NO_FAULTS
from aggregator.ingest.rows import Totals
from aggregator.ingest.touch import Reach
from ullage.v1 import ingest_pb2

NOTHING = np.zeros(0, np.int64)
ADMITTED = Admitted(
    rows=[],
    reach=Reach(NOTHING, NOTHING, NOTHING),
    totals=Totals(read=1, stored=1, quarantined=0),
    faulty=NO_FAULTS,
)
CONTENTS: list[Content] = [ADMITTED, ADMITTED, ADMITTED, Refused("no"), Later("not now", 5), None]
EPOCHS = [(1, b"a" * 16), (1, b"b" * 16), (2, b"a" * 16)]
OFFERS = st.tuples(
    st.sampled_from(EPOCHS), st.integers(1, 6), st.sampled_from([b"x", b"y"]), st.sampled_from(CONTENTS)
).map(
    lambda offer: Offered(
        agent_id=offer[0][0],
        epoch=offer[0][1],
        seq=offer[1],
        sha256=offer[2],
        received_us=0,
        payload=b"",
        content=offer[3],
    )
)
# Groups one after the other, each with what the one before left behind.
GROUPS = st.lists(st.lists(OFFERS, max_size=12), max_size=6)


@given(GROUPS)
def test_numbers_are_applied_once_in_order_and_never_changed(groups: list[list[Offered]]) -> None:
    ledger: dict[tuple[int, bytes], list[bytes]] = {}
    for group in groups:
        cursors = {key: len(hashes) for key, hashes in ledger.items()}
        # An epoch is opened by its first batch that could be stored.
        cursors |= {b.key: 0 for b in group if b.seq == 1 and b.content is ADMITTED and b.key not in cursors}
        hashes = {(*key, n): sha for key, shas in ledger.items() for n, sha in enumerate(shas, 1)}
        for batch, answer in zip(group, judge(group, cursors=cursors, hashes=hashes), strict=True):
            applied = ledger.setdefault(batch.key, [])
            assert answer.outcome == expected(batch, applied)
            if answer.outcome == ingest_pb2.OUTCOME_GAP:
                assert answer.expected == len(applied) + 1
            if answer.outcome == ingest_pb2.OUTCOME_APPLIED:
                applied.append(batch.sha256)


def expected(batch: Offered, applied: list[bytes]) -> "ingest_pb2.Outcome.ValueType":
    """The answer by the rules of the protocol, given the hashes applied so far."""
    if batch.seq <= len(applied):
        same = applied[batch.seq - 1] == batch.sha256
        return ingest_pb2.OUTCOME_DUPLICATE if same else ingest_pb2.OUTCOME_CONFLICT
    if batch.seq > len(applied) + 1:
        return ingest_pb2.OUTCOME_GAP
    if isinstance(batch.content, Refused):
        return ingest_pb2.OUTCOME_REFUSED
    if batch.content is None or isinstance(batch.content, Later):
        return ingest_pb2.OUTCOME_BUSY
    return ingest_pb2.OUTCOME_APPLIED


def test_below_the_cursor_is_a_duplicate_for_ever_also_when_the_batch_is_forgotten() -> None:
    """Row 20: replayed after 400 days."""
    batch = Offered(
        agent_id=1, epoch=b"a" * 16, seq=3, sha256=b"x", received_us=0, payload=b"", content=ADMITTED
    )
    [answer] = judge([batch], cursors={batch.key: 5}, hashes={})
    assert answer.outcome == ingest_pb2.OUTCOME_DUPLICATE


@pytest.mark.parametrize(
    ("state", "epochs", "says"),
    [("active", 1_000, "1000 epochs"), ("revoked", 1, "revoked"), ("active", 2, (b"n" * 16).hex())],
)
def test_an_agent_whose_epoch_was_not_opened_is_put_off_with_the_reason(
    state: str, epochs: int, says: str
) -> None:
    batch = Offered(
        agent_id=1, epoch=b"a" * 16, seq=1, sha256=b"x", received_us=0, payload=b"", content=ADMITTED
    )
    why = why_not_opened(state=state, epochs=epochs, newest=b"n" * 16)
    [answer] = judge([batch], cursors={}, hashes={}, shut={batch.key: why})
    assert answer.outcome == ingest_pb2.OUTCOME_BUSY
    assert says in answer.reason
    assert answer.retry_after_ms >= 60_000
