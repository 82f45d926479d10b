"""Baselines as bytes, to travel with the sealed batches that were counted from them, and back.

MessagePack by msgspec, then deflate: the texts of a host's counters repeat. What cannot be read is None, never an error:
without baselines the next tick is one, worth 0.
"""

import zlib

import msgspec

from agent.amounts import Baseline, Baselines, Stamp

BYTES_MAX = 64 * 1024 * 1024
_LEVEL = 1

_Counter = tuple[str, str, str, str, int]
_Collector = tuple[str, int, int, str, list[_Counter]]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Collector])


def encode(baselines: Baselines) -> bytes:
    """Empty for none."""
    if not baselines:
        return b""
    rows = [
        (
            name,
            known.stamp.wall_us,
            known.stamp.boottime_us,
            known.stamp.boot_id,
            [(*key, value) for key, value in known.values.items()],
        )
        for name, known in baselines.items()
    ]
    return zlib.compress(_encoder.encode(rows), _LEVEL)


def decode(data: bytes) -> Baselines | None:
    """None when these are not the bytes of baselines."""
    if not data:
        return {}
    try:
        inflating = zlib.decompressobj()
        plain = inflating.decompress(data, BYTES_MAX)
        if not inflating.eof:
            return None
        rows = _decoder.decode(plain)
    except (zlib.error, msgspec.DecodeError):
        return None
    return {
        name: Baseline(
            Stamp(wall_us, boottime_us, boot_id),
            {
                (source_type, external_id, unit_type, identity): value
                for source_type, external_id, unit_type, identity, value in counters
            },
        )
        for name, wall_us, boottime_us, boot_id, counters in rows
    }
