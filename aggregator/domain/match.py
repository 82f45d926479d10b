"""Conditions on assets: what filters and rules say, compiled once and asked often.

Patterns are written by people and run on google-re2, which takes linear time and bounded memory whatever they say;
Python's ``re`` never sees one. Knows what a condition means, not who owns it.
"""

import ipaddress
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import re2

PATTERN_CHARACTERS_MAX = 500
REGEX_MEMORY_BYTES_MAX = 1 << 20
CONDITIONS_MAX = 20
FIELDS = ("source_type", "external_id", "name", "address", "agent", "site")
LABEL_PREFIX = "label:"
LABEL_KEY_CHARACTERS_MAX = 128
_GLOB_SIGNS = "*?["
_REGEX_SIGNS = "\\.^$*+?()[]{}|"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PatternError(ValueError):
    """A condition that cannot be used. ``field`` names the part of it, the text says what to do."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


class Operator(StrEnum):
    """How a condition compares. Glob knows ``*``, ``?`` and ``[…]``; a glob or regex must fit the whole value."""

    EQUALS = "equals"
    GLOB = "glob"
    REGEX = "regex"
    CIDR = "cidr"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. ``field`` is one of ``FIELDS`` or ``label:KEY``. Not checked before it is compiled."""

    field: str
    operator: Operator
    pattern: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold; several filters of one owner are alternatives."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What conditions can ask of an asset. ``agent`` is the name of the agent that reported it first."""

    source_type: str
    external_id: str
    name: str
    address: str
    agent: str
    site: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def value(self, field: str) -> str | None:
        """The value of a condition's field; None for a label that the asset does not have."""
        if field.startswith(LABEL_PREFIX):
            return self.labels.get(field.removeprefix(LABEL_PREFIX))
        value = getattr(self, field)
        assert isinstance(value, str)  # noqa: S101  FIELDS are all text
        return value


Matcher = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Need:
    """What must be so for a condition to hold: the field's value is ``text``, or (not ``whole``) begins with it.

    Cheap to look up, in an index or by the database, before the condition itself is asked.
    """

    field: str
    text: str
    whole: bool


def compile_filters(filters: Sequence[Filter]) -> Matcher:
    """Whether an asset fits at least one of the filters; without a filter every asset does.

    Raises ``PatternError`` for a condition that cannot be used.
    """
    if not filters:
        return lambda facts: True
    alternatives = [compile_conditions(f.conditions) for f in filters]
    return lambda facts: any(fits(facts) for fits in alternatives)


def compile_conditions(conditions: Sequence[Condition]) -> Matcher:
    """Whether all conditions hold. Raises ``PatternError`` for one that cannot be used, or when there is none."""
    if not conditions:
        raise PatternError("conditions", "is empty; name at least one condition")
    if len(conditions) > CONDITIONS_MAX:
        raise PatternError("conditions", f"has {len(conditions)}; at most {CONDITIONS_MAX} are taken")
    tests = [_compile(condition) for condition in conditions]
    return lambda facts: all(test(facts) for test in tests)


def needs(filters: Sequence[Filter]) -> tuple[tuple[Need, ...], ...]:
    """Per filter what any asset that fits it must have; an empty tuple where nothing can be said.

    Without a filter one alternative that needs nothing, as ``compile_filters`` takes it.
    """
    if not filters:
        return ((),)
    return tuple(
        tuple(need for condition in one.conditions if (need := _need(condition)) is not None)
        for one in filters
    )


def _need(condition: Condition) -> Need | None:
    name, pattern = condition.field, condition.pattern
    if condition.operator is Operator.EQUALS:
        return Need(name, pattern, whole=True)
    if condition.operator is Operator.CIDR:
        return None
    text = _glob_prefix(pattern) if condition.operator is Operator.GLOB else _regex_prefix(pattern)
    return Need(name, text, whole=False) if text else None


def _glob_prefix(pattern: str) -> str:
    ends = [at for at, char in enumerate(pattern) if char in _GLOB_SIGNS]
    return pattern[: ends[0]] if ends else pattern


def _regex_prefix(pattern: str) -> str:
    """The plain characters that a regex begins with; empty when there is any doubt."""
    if "|" in pattern:
        return ""
    text, at = "", 1 if pattern.startswith("^") else 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern) and not pattern[at + 1].isalnum():
            at += 1
            char = pattern[at]
        elif char in _REGEX_SIGNS:
            break
        text += char
        at += 1
    # What follows may say that the last one need not be there.
    return text[:-1] if pattern[at : at + 1] in {"*", "?", "{"} else text


def _compile(condition: Condition) -> Matcher:
    name, pattern = condition.field, condition.pattern
    _check_text("field", name)
    _check_text("pattern", pattern)
    _check_field(name)
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise PatternError(
            "pattern",
            f"has {len(pattern)} characters; shorten it to {PATTERN_CHARACTERS_MAX} or use several filters",
        )
    if condition.operator is Operator.CIDR:
        if name != "address" and not name.startswith(LABEL_PREFIX):
            raise PatternError(
                "field", f"an address range cannot be looked for in {name}; use address or a label"
            )
        accepts = _range(pattern)
    elif condition.operator is Operator.EQUALS:
        accepts = pattern.__eq__
    elif condition.operator is Operator.GLOB:
        accepts = _glob(pattern)
    else:
        accepts = _expression(pattern)

    def test(facts: Facts) -> bool:
        value = facts.value(name)
        return value is not None and accepts(value)

    return test


def _check_text(field: str, text: str) -> None:
    """Control characters and half surrogates can be neither stored nor shown."""
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise PatternError(field, "must not contain control characters")


def _check_field(name: str) -> None:
    if name in FIELDS:
        return
    key = name.removeprefix(LABEL_PREFIX)
    if key == name or not key:
        raise PatternError(
            "field", f"{name!r} cannot be asked; use one of {', '.join(FIELDS)} or {LABEL_PREFIX}KEY"
        )
    if len(key) > LABEL_KEY_CHARACTERS_MAX:
        raise PatternError("field", f"the label's key is longer than {LABEL_KEY_CHARACTERS_MAX} characters")


def _glob(pattern: str) -> Callable[[str], bool]:
    """The commonest globs, text with stars at its ends, without an expression: they take less time and no memory."""
    inner = pattern.strip("*")
    if any(char in inner for char in _GLOB_SIGNS) or "?" in pattern:
        return _expression(_from_glob(pattern))
    if inner == pattern:
        return pattern.__eq__
    if pattern.startswith("*") and pattern.endswith("*"):
        return lambda value: inner in value
    if pattern.startswith("*"):
        return lambda value: value.endswith(inner)
    return lambda value: value.startswith(inner)


def _expression(pattern: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.max_mem = REGEX_MEMORY_BYTES_MAX
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise PatternError("pattern", f"is not an expression that RE2 takes ({_reason(error)})") from error
    return lambda value: compiled.fullmatch(value) is not None


def _reason(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _from_glob(pattern: str) -> str:
    """The regular expression of a glob. A ``[`` without its ``]`` stands for itself, as in a shell."""
    parts = ["(?s)"]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[" and (end := _class_end(pattern, at)) is not None:
            parts.append(_class(pattern[at:end]))
            at = end + 1
        else:
            parts.append(re2.escape(char))
    return "".join(parts)


def _class_end(pattern: str, start: int) -> int | None:
    """Where the ``]`` is that ends the class whose content starts at ``start``; a leading one is content."""
    first = start + 1 if pattern[start : start + 1] in {"!", "^"} else start
    end = pattern.find("]", first + 1)
    return end if end >= 0 else None


def _class(content: str) -> str:
    negated = content[0] in "!^"
    members = content[1:] if negated else content
    escaped = "".join(char if char == "-" else re2.escape(char) for char in members)
    return f"[{'^' if negated else ''}{escaped}]"


def _range(pattern: str) -> Callable[[str], bool]:
    try:
        network = ipaddress.ip_network(pattern, strict=False)
    except ValueError as error:
        raise PatternError(
            "pattern", f"{pattern!r} is not a range of addresses; write it like 10.0.0.0/8"
        ) from error
    return lambda value: _is_in(value, network)


def _is_in(value: str, network: _Network) -> bool:
    """Whether an address as an agent gave it, perhaps with a prefix length, lies in the range; False for other text."""
    try:
        address = ipaddress.ip_interface(value).ip
    except ValueError:
        return False
    if address.version == 6 and network.version == 4 and isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return mapped is not None and mapped in network
    return address in network
