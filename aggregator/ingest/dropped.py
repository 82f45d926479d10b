"""What suppressions drop of a batch: how many readings, and which assets are not known to be counted yet.

An asset is a digest here of what identifies it, as nothing else of it is stored. Waits for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from aggregator.ingest.decode import Int64s, Uint32s

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Hit:
    """What one suppression dropped of a batch; ``assets`` are digests of those not known to be counted."""

    rule: int
    readings: int
    assets: tuple[bytes, ...] = ()


class Suppressed:
    """The series of a dictionary that suppressions keep out. ``rule``: of each series the suppression's id, 0 for none."""

    def __init__(self, rules: Mapping[int, int], digests: Mapping[int, bytes], assets: Int64s) -> None:
        """By index of an asset: the suppression that it fits, and its digest. ``assets``: of each series."""
        self.rule: Int64s = np.array([rules.get(asset, 0) for asset in assets.tolist()], np.int64)
        self._assets = assets
        self._digests = digests
        self._uncounted: npt.NDArray[np.bool_] = self.rule > 0
        # Soon not, and then nothing is looked for.
        self._any_uncounted = True

    def hits(self, series: Uint32s) -> tuple[Hit, ...]:
        """``series``: of each reading the index into the dictionary."""
        rules, readings = np.unique(self.rule[series], return_counts=True)
        found = [(n, count) for n, count in zip(rules.tolist(), readings.tolist(), strict=True) if n]
        if not self._any_uncounted:
            return tuple(Hit(number, count) for number, count in found)
        fresh = np.unique(series[self._uncounted[series]])
        return tuple(
            Hit(number, count, self._names(fresh[self.rule[fresh] == number])) for number, count in found
        )

    def counted(self, hits: tuple[Hit, ...]) -> None:
        """These are committed: to offer their assets again would cost and change nothing."""
        done = {digest for hit in hits for digest in hit.assets}
        if not done:
            return
        for n in np.flatnonzero(self._uncounted).tolist():
            if self._digests[int(self._assets[n])] in done:
                self._uncounted[n] = False
        self._any_uncounted = bool(self._uncounted.any())

    def _names(self, series: Uint32s) -> tuple[bytes, ...]:
        return tuple(self._digests[asset] for asset in np.unique(self._assets[series]).tolist())


def digest_of(source_type: str, scope: str, external_id: str) -> bytes:
    """The same for the same asset, whoever reports it. Two assets with one digest are not to be expected."""
    # A zero byte is in none of these texts.
    return sha256(f"{source_type}\0{scope}\0{external_id}".encode()).digest()[:DIGEST_BYTES]
