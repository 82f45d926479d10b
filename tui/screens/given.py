"""What people write into forms, read; what cannot be read is a ``FormError`` that says what belongs in the field."""

import shlex
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import click

from tui.cli.values import filter_words, parse_day, parse_filter
from tui.dialogs.fields import Found
from tui.dialogs.form import FormError, Values
from tui.failures import sentence
from ullage.v1 import types_pb2

FILTER_HINT = (
    "Such as: name glob web-* and label:env equals prod. Fields: external_id, name, address, agent, site, label:KEY; "
    "operators: equals, glob, regex, cidr; joined by and, alternatives by or. Empty: every asset of that type."
)
Read = TypeVar("Read")
# Conditions are three words and what joins them to the next.
_GROUP_WORDS = 4


def read(values: Values, name: str, parse: Callable[[str], Read]) -> Read | None:
    """What was written into a field, as the commands read it; None for an empty one."""
    try:
        return parse(values[name]) if values[name] else None
    except click.BadParameter as error:
        raise FormError(name, sentence(error.message)) from None


def read_day(values: Values, name: str) -> str:
    """A day of the calendar as it was written; empty stays empty."""
    return read(values, name, parse_day) or ""


def read_whole(values: Values, name: str, *, least: int, most: int) -> int | None:
    """A whole number; None for an empty field."""
    given = values[name]
    if not given:
        return None
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10 and least <= int(given) <= most):
        raise FormError(name, f"Give a whole number from {least:,} to {most:,}.")
    return int(given)


def filters_words(filters: Iterable[types_pb2.Filter]) -> str:
    """As the field takes them: alternatives joined by ``or``."""
    return " or ".join(filter_words(one) for one in filters)


def read_filters(values: Values, name: str) -> list[types_pb2.Filter]:
    """Alternatives joined by ``or``; none for an empty field."""
    given = values[name]
    if not given:
        return []
    try:
        words = shlex.split(given)
        groups: list[list[str]] = [[]]
        for word in words:
            joins = len(groups[-1]) % _GROUP_WORDS == _GROUP_WORDS - 1
            if joins and word == "or":
                groups.append([])
            else:
                groups[-1].append(word)
        return [parse_filter(shlex.join(group)) for group in groups]
    except ValueError as error:
        raise FormError(name, sentence(str(error))) from None
    except click.BadParameter as error:
        raise FormError(name, sentence(error.message)) from None


def among(known: Sequence[Found], *, others: bool = False) -> Callable[[str], Awaitable[Sequence[Found]]]:
    """A search over what is known here already, by any part of it; ``others``: what is written is offered too."""

    async def search(wanted: str) -> Sequence[Found]:
        part = wanted.casefold()
        found = [one for one in known if part in one[0].casefold() or part in one[1].casefold()]
        # What is written as a whole comes first.
        found.sort(key=lambda one: one[0].casefold() != part)
        if others and wanted and all(one[0] != wanted for one in found):
            found.append((wanted, f"{wanted} (not seen yet)"))
        return found

    return search
