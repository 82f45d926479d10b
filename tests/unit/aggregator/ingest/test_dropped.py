"""What suppressions drop of a batch, and which assets are still to be counted."""

import numpy as np

from aggregator.ingest.dropped import DIGEST_BYTES, Hit, Suppressed, digest_of

A, B, C = (digest_of("container", "agent:1", name) for name in "abc")


def two_rules() -> Suppressed:
    """Series 0, 1 of a; 2 of something that is kept; 3 of b; 4 of c. Rule 7 drops a and b, rule 8 drops c."""
    return Suppressed({0: 7, 2: 7, 3: 8}, {0: A, 2: B, 3: C}, np.array([0, 0, 1, 2, 3], np.int64))


def series(*indexes: int) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return np.array(indexes, np.uint32)


def test_readings_count_by_rule_and_assets_once() -> None:
    assert two_rules().hits(series(0, 1, 2, 3, 0, 4)) == (Hit(7, 4, (A, B)), Hit(8, 1, (C,)))


def test_an_asset_without_a_reading_is_not_named() -> None:
    assert two_rules().hits(series(1, 2)) == (Hit(7, 1, (A,)),)
    assert two_rules().hits(series(2)) == ()
    assert two_rules().hits(series()) == ()


def test_what_is_committed_is_not_named_again_with_any_of_its_series() -> None:
    dropped = two_rules()
    first = dropped.hits(series(0, 4))
    # Not committed yet: the transaction may fail.
    assert dropped.hits(series(0)) == (Hit(7, 1, (A,)),)
    dropped.counted(first)
    assert dropped.hits(series(0, 1, 3, 4)) == (Hit(7, 3, (B,)), Hit(8, 1, ()))


def test_digests_tell_texts_apart_wherever_one_ends_and_the_next_begins() -> None:
    assert digest_of("vm", "site:a", "b") != digest_of("vm", "site:ab", "")
    assert digest_of("vm", "site:a", "b") != digest_of("vmsite:a", "", "b")
    assert len(A) == DIGEST_BYTES
    assert len({A, B, C}) == 3
