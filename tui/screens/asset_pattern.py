"""What the names of several assets have in common, as a pattern that conditions understand."""

import re
from collections.abc import Sequence
from itertools import takewhile

from ullage.v1 import inventory_pb2

# A shorter beginning says too little to suggest a pattern by it.
PREFIX_CHARACTERS_MIN = 3
_DIGITS = re.compile(r"\d+")
# What a glob reads as something else than itself.
_SIGNS = frozenset("*?[")


def common_pattern(values: Sequence[str]) -> str:
    """``web-*`` of web-01 and web-02: digits that differ, or else what follows a common beginning, become a star.

    Empty where too little is common, or where a value has signs of a glob in it.
    """
    known = list(dict.fromkeys(values))
    if not known or not all(known) or any(_SIGNS & set(one) for one in known):
        return ""
    if len(known) == 1:
        return known[0]
    skeletons = {_DIGITS.sub("*", one) for one in known}
    pattern = _with_common_digits(known) if len(skeletons) == 1 else f"{_beginning(known)}*"
    return pattern if len(pattern.rstrip("*")) >= PREFIX_CHARACTERS_MIN else ""


def _beginning(values: Sequence[str]) -> str:
    """What all begin with, without a number cut in two: the first and the last in order differ first."""
    first, last = min(values), max(values)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(character for character, _ in same).rstrip("0123456789")


def _with_common_digits(values: Sequence[str]) -> str:
    """Values that differ in runs of digits alone: the runs that are the same in all stay."""
    runs = [_DIGITS.findall(one) for one in values]
    same = [run[0] if len(set(run)) == 1 else "*" for run in zip(*runs, strict=True)]
    return _DIGITS.sub(lambda _: same.pop(0), values[0])


def condition_for(assets: Sequence[inventory_pb2.Asset]) -> tuple[str, str, str]:
    """Field, kind and pattern that fit these assets: by name, else by external id; an empty pattern where neither does."""
    for field in ("name", "external_id"):
        values = [getattr(asset, field) for asset in assets]
        if len(set(values)) == 1 and values[0]:
            return field, "exact", values[0]
        pattern = common_pattern(values)
        if pattern:
            return field, "glob", pattern
    return "name", "glob", ""
