"""Figures of an exporter that speaks Prometheus' text format: only those that the configuration maps.

A mapping names a metric, which of its series count, and what they are here. Series that fall on one asset and unit type add
up. Figures are scaled as exact decimals and rounded down to whole steps, counters before differences are taken, so that
nothing drifts. Every exporter is a collector of its own.
"""

import fnmatch
import hashlib
import ipaddress
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Annotated

import msgspec

from agent.collectors import requests, started
from agent.collectors.exposition import COUNTER, Sample, parse
from agent.collectors.programs import NAME_PATTERN, TYPE_PATTERN
from agent.snapshot import TEXT_CHARACTERS_MAX, VALUE_MAX, Asset, Counter, Level, Snapshot, asset

EXPORTERS_MAX = 50
MAPPINGS_MAX = 200
SECONDS_MAX = 8
SECONDS_DEFAULT = 5
ANSWER_BYTES_MAX = 4 * 1024 * 1024
# So many series are named; the rest is counted.
PROBLEMS_NAMED_MAX = 3
_PORT = 80
_ACCEPT = "text/plain;version=0.0.4"
_START = "process_start_time_seconds"
_MICROSECONDS = 1_000_000
_HASH_CHARACTERS = 16
# Enough for the product of any two float64 written out in full; more digits than that are rounded down with the rest.
_EXACT = Context(prec=800, rounding=ROUND_FLOOR)
_SCALE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")

_Type = Annotated[str, msgspec.Meta(pattern=TYPE_PATTERN, description="write it as the aggregator names it")]


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[prometheus.metrics]]``."""

    metric: Annotated[
        str, msgspec.Meta(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", description="give the metric's exact name")
    ]
    source_type: _Type
    unit_type: _Type
    external_id: Annotated[
        str, msgspec.Meta(min_length=1, description="name the label that tells assets apart, or write =ID")
    ]
    labels: Annotated[
        dict[str, str], msgspec.Meta(description='write { label = "glob" }; series without it do not count')
    ] = {}
    scale: Annotated[
        str, msgspec.Meta(description='give steps per unit of the metric as text: seconds to ms "1000"')
    ] = "1"

    def problems(self) -> Iterator[tuple[str, str]]:
        """What its types do not say."""
        if not _SCALE.fullmatch(self.scale) or not Decimal(self.scale):
            yield "scale", f'{self.scale!r} is no decimal above 0: write it as "1000" or "0.125"'
        if self.external_id == "=" or len(self.external_id) > TEXT_CHARACTERS_MAX:
            yield "external_id", f"name a label, or write =ID with 1 to {TEXT_CHARACTERS_MAX - 1} characters"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[prometheus]]``: an exporter and what is taken from it."""

    name: Annotated[
        str, msgspec.Meta(pattern=NAME_PATTERN, description="give it a short name of a-z, 0-9, . _ -")
    ]
    url: Annotated[
        str, msgspec.Meta(description='write where it answers, as "http://127.0.0.1:9100/metrics"')
    ]
    metrics: Annotated[
        list[Mapped],
        msgspec.Meta(
            min_length=1, max_length=MAPPINGS_MAX, description="say with [[prometheus.metrics]] what is taken"
        ),
    ]
    socket: Annotated[
        str,
        msgspec.Meta(pattern="^/", description="give the absolute path of a Unix socket, or leave it out"),
    ] = ""
    timeout_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=SECONDS_MAX, description=f"give seconds, at most {SECONDS_MAX}")
    ] = SECONDS_DEFAULT

    def problems(self) -> Iterator[tuple[str, str]]:
        """What its types do not say."""
        if not _url(self.url):
            yield "url", "it must be http://host:port/path without user, password and fragment: correct it"


def make(sections: Iterable[Section]) -> dict[str, "Prometheus"]:
    """By name; a name is unique (see ``problems_of``)."""
    return {f"prometheus:{section.name}": Prometheus(section) for section in sections}


def problems_of(sections: Iterable[Section]) -> Iterator[str]:
    """What is wrong with the sections together."""
    names = [section.name for section in sections]
    if not names:
        yield "no exporter is configured: add [[prometheus]] with name, url and metrics"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two exporters are named {name!r}: rename one"


class Prometheus:
    """What one exporter shows, as mapped."""

    def __init__(self, section: Section) -> None:
        url = _url(section.url)
        assert url is not None  # noqa: S101 - checked with the configuration
        self.source_types = tuple(sorted({mapped.source_type for mapped in section.metrics}))
        self._place = requests.Place(url.hostname or "", url.port or _PORT, section.socket)
        self._path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
        self._seconds_max = section.timeout_seconds
        self._translation = Translation(section.metrics)
        # Another host's clock says nothing about this one's boot.
        self._is_here = bool(section.socket) or _is_loopback(url.hostname or "")

    def collect(self) -> Snapshot:
        """Raises ``requests.Failed`` and ``exposition.Malformed``."""
        body = requests.get(
            self._place,
            self._path,
            seconds_max=self._seconds_max,
            bytes_max=ANSWER_BYTES_MAX,
            accept=_ACCEPT,
        )
        return self._translation.snapshot(parse(body), is_here=self._is_here)


class Translation:
    """From samples to levels and counters."""

    def __init__(self, metrics: Iterable[Mapped]) -> None:
        self._by_metric: dict[str, list[tuple[Mapped, Mapping[str, re.Pattern[str]], Decimal]]] = {}
        for mapped in metrics:
            globs = {name: re.compile(fnmatch.translate(glob)) for name, glob in mapped.labels.items()}
            self._by_metric.setdefault(mapped.metric, []).append((mapped, globs, Decimal(mapped.scale)))

    def snapshot(self, samples: Iterable[Sample], *, is_here: bool) -> Snapshot:
        """``is_here``: the exporter has this host's clock. Values that are no whole steps within limits are named."""
        samples = list(samples)
        start, started_us = _process_start(samples, is_here=is_here)
        levels: dict[tuple[Asset, str], int] = {}
        counters: list[Counter] = []
        exported = {sample.metric for sample in samples}
        # Renamed, or its part of the exporter failed: unknown is not 0.
        problems = [f"{metric} is not exported" for metric in self._by_metric if metric not in exported]
        for sample in samples:
            for mapped, globs, scale in self._by_metric.get(sample.metric, ()):
                thing = _asset(mapped, sample.labels)
                if thing is None or not all(g.fullmatch(sample.labels.get(n, "")) for n, g in globs.items()):
                    continue
                steps = _steps(sample.value, scale)
                if steps is None:
                    problems.append(f"{sample.metric} of {thing.external_id} is not within 0 and {VALUE_MAX}")
                elif sample.kind == COUNTER:
                    identity = f"{start}/{_hash(sample)}"
                    counters.append(Counter(thing, mapped.unit_type, steps, identity, started_us))
                else:
                    series = (thing, mapped.unit_type)
                    levels[series] = levels.get(series, 0) + steps
        named = problems[:PROBLEMS_NAMED_MAX]
        if len(problems) > len(named):
            named.append(f"and {len(problems) - len(named)} more")
        return Snapshot(
            tuple(Level(thing, unit, steps) for (thing, unit), steps in levels.items()),
            tuple(counters),
            incomplete="; ".join(named),
        )


def _process_start(samples: Iterable[Sample], *, is_here: bool) -> tuple[str, int | None]:
    """The exporter's start as it says it, which is the counters' reset identity, and by CLOCK_BOOTTIME if known."""
    for sample in samples:
        if sample.metric == _START and not sample.labels:
            wall_us = _steps(sample.value, Decimal(_MICROSECONDS))
            known = wall_us is not None and is_here
            return str(sample.value)[:_HASH_CHARACTERS], started.boottime_us(wall_us or 0) if known else None
    return "", None


def _steps(value: Decimal, scale: Decimal) -> int | None:
    """Whole steps, rounded down; None when they are negative or too many to be true."""
    if not value:
        return 0
    # Before anything is multiplied out: 1e999999999 has as many digits.
    if value < 0 or value.adjusted() > len(str(VALUE_MAX)) + len(str(scale)):
        return None
    try:
        steps = int(_EXACT.multiply(value, scale).to_integral_value(ROUND_FLOOR))
    except InvalidOperation:
        return None
    return steps if steps <= VALUE_MAX else None


def _asset(mapped: Mapped, labels: Mapping[str, str]) -> Asset | None:
    """None for a series without the label that would name it."""
    if mapped.external_id.startswith("="):
        return asset(mapped.source_type, mapped.external_id[1:])
    named = labels.get(mapped.external_id)
    return asset(mapped.source_type, named) if named else None


def _hash(sample: Sample) -> str:
    """Tells the series of one metric apart: each is an object of its own."""
    text = repr((sample.metric, sorted(sample.labels.items())))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARACTERS]


def _url(text: str) -> urllib.parse.SplitResult | None:
    try:
        url = urllib.parse.urlsplit(text)
        good = url.scheme == "http" and url.hostname and url.port != 0
    except ValueError:
        return None
    printable = text.isascii() and text.isprintable() and " " not in text
    return url if good and printable and "@" not in url.netloc and not url.fragment else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
