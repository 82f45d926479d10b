"""The Prometheus text format (version 0.0.4), read strictly: counters and gauges, values as exact decimals.

Grammar: https://prometheus.io/docs/instrumenting/exposition_formats/. A text with one line that cannot be read is refused as
a whole: what it says is then not what its writer meant. Histograms, summaries and untyped samples are checked and left out,
as are values that are no numbers. Timestamps are checked and not used: a reading is of the moment it was taken at.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

LINE_BYTES_MAX = 64 * 1024
SAMPLES_MAX = 100_000
LABELS_MAX = 64

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LABEL_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_NO_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_TIMESTAMP = re.compile(r"-?[0-9]{1,19}")
_BLANKS = " \t"
_BETWEEN = re.compile(r"[ \t]+")
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
_WITH_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
COUNTER = "counter"
GAUGE = "gauge"


class Malformed(ValueError):
    """The text is not in the format; the message names the line."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a counter or a gauge."""

    metric: str
    labels: Mapping[str, str]
    kind: str
    value: Decimal


def parse(text: bytes) -> list[Sample]:
    """All counters and gauges that have a number, in their order. Raises ``Malformed``."""
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed(f"byte {error.start}: not UTF-8") from error
    if lines and lines[-1]:
        # Every line ends in a line feed: without the last one the text may be cut.
        raise Malformed(f"line {len(lines)}: the text ends within it")
    types: dict[str, str] = {}
    samples: list[Sample] = []
    # What must not come twice: a type, and a value of a series.
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for number, line in enumerate(lines, 1):
        try:
            if len(line) > LINE_BYTES_MAX:
                raise Malformed(f"longer than {LINE_BYTES_MAX} characters")
            stripped = line.strip(_BLANKS)
            if stripped.startswith("#"):
                _comment(stripped, types)
            elif stripped:
                sample = _sample(stripped, types)
                key = (sample.metric, tuple(sorted(sample.labels.items())))
                if key in seen:
                    raise Malformed("the same series was given before")
                seen.add(key)
                if len(seen) > SAMPLES_MAX:
                    raise Malformed(f"more than {SAMPLES_MAX} samples")
                if sample.kind in {COUNTER, GAUGE} and sample.value.is_finite():
                    samples.append(sample)
        except Malformed as error:
            raise Malformed(f"line {number}: {error}") from error
    return samples


def _comment(line: str, types: dict[str, str]) -> None:
    words = _BETWEEN.split(line[1:].strip(_BLANKS), maxsplit=2)
    if words[0] != "TYPE":
        return
    if len(words) != len(("TYPE", "metric", "type")) or not _METRIC.fullmatch(words[1]):
        raise Malformed("TYPE is followed by a metric and its type")
    if words[2] not in _TYPES:
        raise Malformed(f"unknown type: it is one of {', '.join(sorted(_TYPES))}")
    if words[1] in types:
        raise Malformed("the type of this metric was given before")
    types[words[1]] = words[2]


def _sample(line: str, types: Mapping[str, str]) -> Sample:
    metric = _METRIC.match(line)
    if metric is None:
        raise Malformed("it begins with no name of a metric")
    at = _skip(line, metric.end())
    labels: dict[str, str] = {}
    if line.startswith("{", at):
        labels, at = _labels(line, at + 1)
    elif at == metric.end():
        raise Malformed("a blank or { follows the name of a metric")
    words = _BETWEEN.split(line[at:].strip(_BLANKS))
    if len(words) > len(("value", "timestamp")):
        raise Malformed("a value follows, and at most a timestamp")
    if len(words) > 1 and not _TIMESTAMP.fullmatch(words[1]):
        raise Malformed("the timestamp is no whole number of milliseconds")
    return Sample(metric[0], labels, _kind(metric[0], types), _value(words[0]))


def _labels(line: str, at: int) -> tuple[dict[str, str], int]:
    """The labels from behind the opening brace on, and where the closing one ends."""
    labels: dict[str, str] = {}
    at = _skip(line, at)
    while not line.startswith("}", at):
        name = _LABEL.match(line, at)
        if name is None:
            raise Malformed("a label has no name, or } is missing")
        at = _skip(line, name.end())
        if not line.startswith("=", at):
            raise Malformed("= is missing behind the name of a label")
        value = _LABEL_VALUE.match(line, _skip(line, at + 1))
        if value is None:
            raise Malformed("the value of a label is not in quotes")
        if name[0] in labels:
            raise Malformed("a label is given twice")
        if len(labels) == LABELS_MAX:
            raise Malformed(f"more than {LABELS_MAX} labels")
        labels[name[0]] = _unescaped(value[1])
        at = _skip(line, value.end())
        if line.startswith(",", at):
            at = _skip(line, at + 1)
        elif not line.startswith("}", at):
            raise Malformed(", or } is missing behind a label")
    return labels, at + 1


def _unescaped(text: str) -> str:
    return "".join(_unescapings(text)) if "\\" in text else text


def _unescapings(text: str) -> Iterator[str]:
    for part in re.split(r"(\\.)", text):
        if not part.startswith("\\"):
            yield part
        elif part in _ESCAPES:
            yield _ESCAPES[part]
        else:
            raise Malformed(r"only \\, \" and \n are escapes")


def _kind(metric: str, types: Mapping[str, str]) -> str:
    """By the TYPE line before it; what has none, and the parts of a histogram or a summary, are neither of the two."""
    for kind, suffixes in _WITH_SUFFIXES.items():
        if any(metric.endswith(s) and types.get(metric.removesuffix(s)) == kind for s in suffixes):
            return kind
    return types.get(metric, "untyped")


def _value(text: str) -> Decimal:
    """Exactly what was written; not a number where that is what was written."""
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if _NO_NUMBER.fullmatch(text):
        return Decimal("nan")
    raise Malformed("the value is no number")


def _skip(line: str, at: int) -> int:
    while at < len(line) and line[at] in _BLANKS:
        at += 1
    return at
