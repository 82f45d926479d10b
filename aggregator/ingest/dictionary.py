"""The dictionary of a batch, parsed, cleaned and checked against itself. Knows nothing of the database."""

from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import DecodeError

from aggregator.ingest import limits
from aggregator.ingest.clean import clean_identity, clean_labels, clean_name
from aggregator.ingest.decode import Refused
from ullage.v1 import ingest_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    """What the agent says of an asset, cleaned. Within a scope it is identified by source type and external id."""

    source_type: str
    external_id: str
    name: str
    address: str
    # By key.
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """A series: an index into the dictionary's assets, and the name of a unit type."""

    asset: int
    unit_type: str


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """Assets and series in the order in which the batch numbers them."""

    assets: list[AssetFacts]
    series: list[SeriesFacts]

    @cached_property
    def identities(self) -> list[tuple[str, str]]:
        """(source type, external id) of each asset."""
        return [(asset.source_type, asset.external_id) for asset in self.assets]


def read_dictionary(encoded: bytes) -> Dictionary | Refused:
    """Refused when it cannot be decoded, points beyond itself, or names an asset or a series twice."""
    message = ingest_pb2.Dictionary()
    try:
        message.ParseFromString(encoded)
    except DecodeError:
        return Refused("the dictionary is not an encoded Dictionary")
    if len(message.assets) > limits.ASSETS_PER_BATCH_MAX:
        return Refused(
            f"the dictionary has {len(message.assets)} assets, at most {limits.ASSETS_PER_BATCH_MAX} are taken"
        )
    if len(message.series) > limits.SERIES_PER_BATCH_MAX:
        return Refused(
            f"the dictionary has {len(message.series)} series, at most {limits.SERIES_PER_BATCH_MAX} are taken"
        )
    dictionary = Dictionary(
        assets=[_asset(entry) for entry in message.assets],
        series=[SeriesFacts(entry.asset, clean_name(entry.unit_type)) for entry in message.series],
    )
    if any(not asset.external_id for asset in dictionary.assets):
        return Refused("an asset of the dictionary has no external id")
    if any(series.asset >= len(dictionary.assets) for series in dictionary.series):
        return Refused("a series of the dictionary points beyond its assets")
    if len(set(dictionary.identities)) < len(dictionary.assets):
        return Refused("the dictionary names an asset twice")
    if len(set(dictionary.series)) < len(dictionary.series):
        return Refused("the dictionary names a series twice")
    return dictionary


def _asset(entry: ingest_pb2.AssetEntry) -> AssetFacts:
    return AssetFacts(
        source_type=clean_name(entry.source_type),
        external_id=clean_identity(entry.external_id),
        name=clean_name(entry.name),
        address=clean_name(entry.address),
        labels=clean_labels(entry.labels),
    )
