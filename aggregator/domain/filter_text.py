"""Filters as one line of text, for files: ``name glob web-* and label:env equals prod or address cidr 10.0.0.0/8``.

Words with spaces stand in double quotes, in which a backslash keeps the next character. Knows how conditions are written,
not what they match.
"""

from collections.abc import Iterator, Sequence

from aggregator.domain.match import Condition, Filter, Operator

AND, OR = "and", "or"
_WORDS_PER_CONDITION = 3
_OPERATORS = tuple(operator.value for operator in Operator)
_QUOTE, _ESCAPE = '"', "\\"


def filters_text(filters: Sequence[Filter]) -> str:
    """What ``read_filters`` reads as the same filters; empty for none."""
    return f" {OR} ".join(
        f" {AND} ".join(
            f"{_quoted(one.field)} {one.operator.value} {_quoted(one.pattern)}" for one in each.conditions
        )
        for each in filters
    )


def read_filters(text: str) -> list[Filter]:
    """Alternatives joined by ``or``, their conditions by ``and``; none for an empty text.

    Raises ``ValueError`` saying what to write. Whether fields exist and patterns compile is for ``match`` to say.
    """
    words = list(_words(text))
    if not words:
        return []
    found: list[list[Condition]] = [[]]
    for start in range(0, len(words), _WORDS_PER_CONDITION + 1):
        part = words[start : start + _WORDS_PER_CONDITION]
        if len(part) < _WORDS_PER_CONDITION:
            raise ValueError("ends within a condition; write FIELD OPERATOR PATTERN")
        (field, _), (operator, _), (pattern, _) = part
        if operator not in _OPERATORS:
            raise ValueError(f"{operator[:40]!r} is no operator; use {', '.join(_OPERATORS)}")
        found[-1].append(Condition(field, Operator(operator), pattern))
        joint = words[start + _WORDS_PER_CONDITION : start + _WORDS_PER_CONDITION + 1]
        if not joint:
            break
        word, quoted = joint[0]
        if quoted or word not in (AND, OR):
            raise ValueError(
                f"{word[:40]!r} stands where 'and' or 'or' is wanted; quote patterns with spaces"
            )
        if start + _WORDS_PER_CONDITION + 1 == len(words):
            raise ValueError(f"ends with {word!r}; write another condition or remove it")
        if word == OR:
            found.append([])
    return [Filter(tuple(conditions)) for conditions in found]


def _quoted(word: str) -> str:
    if word and not any(sign.isspace() or sign in (_QUOTE, _ESCAPE) for sign in word):
        return word
    return _QUOTE + word.replace(_ESCAPE, _ESCAPE * 2).replace(_QUOTE, _ESCAPE + _QUOTE) + _QUOTE


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Words with whether they stood in quotes."""
    signs = iter(text)
    for sign in signs:
        if sign.isspace():
            continue
        if sign != _QUOTE:
            word = [sign]
            for sign in signs:
                if sign.isspace():
                    break
                word.append(sign)
            yield "".join(word), False
            continue
        word = []
        for sign in signs:
            if sign == _QUOTE:
                break
            word.append(next(signs, "") if sign == _ESCAPE else sign)
        else:
            raise ValueError("a quote is not closed")
        yield "".join(word), True
