"""Why readings are not taken, and what is kept and told of them. Runs only for batches that have any."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from aggregator.ingest.decode import Columns, Int64s
from aggregator.ingest.dictionary import Dictionary
from aggregator.ingest.limits import REJECTED_GROUPS_MAX
from ullage.v1 import ingest_pb2

UInt8s = npt.NDArray[np.uint8]


class Fault(IntEnum):
    """Why a reading is quarantined. Its name in lower case is the reason on the wire and in the table.

    Of several the greatest number is given: what is wrong with the series, then with the time, then with the value.
    """

    NONE = 0
    AMOUNT_WITHOUT_SPAN = 1
    TOO_LARGE = 2
    NEGATIVE = 3
    BAD_SPAN = 4
    TOO_OLD = 5
    FUTURE = 6
    TOO_MANY_SERIES = 7
    UNKNOWN_UNIT = 8
    UNKNOWN_SOURCE_TYPE = 9
    # Not quarantined but dropped and counted; here because it decides before everything else.
    SUPPRESSED = 10

    @property
    def reason(self) -> str:
        """As it is called on the wire."""
        return self.name.lower()


# The collector answered, but not with a figure that can be used: what is missing in the tick is not known to be absent.
OF_THE_VALUE = (Fault.AMOUNT_WITHOUT_SPAN, Fault.TOO_LARGE, Fault.NEGATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A reading that is not taken, with all that is needed to take it later. Times in microseconds since 1970."""

    source_type: str
    external_id: str
    unit_type: str
    value: int
    since_us: int
    ticked_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Faulty:
    """The readings of a batch that are not taken."""

    readings: list[Quarantined]
    # For the acknowledgement: one per series and reason.
    rejected: list[ingest_pb2.Rejected]
    # (tick, source type) for which a figure is missing although the collector answered.
    incomplete: set[tuple[int, str]]


NO_FAULTS = Faulty(readings=[], rejected=[], incomplete=set())


def set_aside(columns: Columns, dictionary: Dictionary, *, tick: Int64s, fault: UInt8s) -> Faulty:
    """What becomes of the readings whose ``fault`` is not 0. ``tick`` and ``fault`` have one entry per reading."""
    readings: list[Quarantined] = []
    incomplete: set[tuple[int, str]] = set()
    bad = np.flatnonzero(fault)
    since, ticked = columns.since[tick[bad]], columns.ticked_at[tick[bad]]
    for index, code, value, since_us, ticked_us, number in zip(
        columns.series[bad].tolist(),
        fault[bad].tolist(),
        columns.values[bad].tolist(),
        since.tolist(),
        ticked.tolist(),
        tick[bad].tolist(),
        strict=True,
    ):
        series = dictionary.series[index]
        asset = dictionary.assets[series.asset]
        readings.append(
            Quarantined(
                source_type=asset.source_type,
                external_id=asset.external_id,
                unit_type=series.unit_type,
                value=value,
                since_us=since_us,
                ticked_us=ticked_us,
                reason=Fault(code).reason,
            )
        )
        if code in OF_THE_VALUE:
            incomplete.add((number, asset.source_type))
    rejected = _grouped(dictionary, index=columns.series[bad], fault=fault[bad])
    return Faulty(readings=readings, rejected=rejected, incomplete=incomplete)


def _grouped(
    dictionary: Dictionary, *, index: npt.NDArray[np.uint32], fault: UInt8s
) -> list[ingest_pb2.Rejected]:
    """Counts per series and reason, the most numerous first, at most ``REJECTED_GROUPS_MAX``."""
    keys, counts = np.unique(index.astype(np.int64) << 8 | fault, return_counts=True)
    groups = []
    for i in np.argsort(-counts, kind="stable")[:REJECTED_GROUPS_MAX]:
        series = dictionary.series[int(keys[i]) >> 8]
        asset = dictionary.assets[series.asset]
        groups.append(
            ingest_pb2.Rejected(
                source_type=asset.source_type,
                external_id=asset.external_id,
                unit_type=series.unit_type,
                reason=Fault(int(keys[i]) & 0xFF).reason,
                count=int(counts[i]),
            )
        )
    return groups
