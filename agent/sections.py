"""What a collector's own part of the configuration must look like: read by its struct, every problem named at once.

A field's remedy stands in its type, as the description of its ``msgspec.Meta``; what no type can say is said by the
struct's method ``problems``.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Protocol, get_args, get_origin, runtime_checkable

import msgspec


@runtime_checkable
class Checked(Protocol):
    """A struct that checks more than the types of its fields."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """(key, what is wrong and what to do) each; the key is empty for what concerns no single one."""


def read(where: str, value: object, wanted: Any, problems: list[str]) -> Any:
    """``value`` as ``wanted`` (a struct, or a list of structs), or None after adding what is wrong to ``problems``."""
    bare = _bare(wanted)
    if not is_list(wanted):
        return _struct(where, value, bare, problems)
    if not isinstance(value, list):
        problems.append(f"{where}: must be an array of tables: write [[{where}]] above the keys of each")
        return None
    limits = [extra for extra in get_args(wanted)[1:] if isinstance(extra, msgspec.Meta)]
    if limits and (problem := mistake(value, Annotated[list[Any], limits[0]])):
        problems.append(f"{where}: {problem}{_remedy(wanted)}")
        return None
    (of,) = get_args(bare)
    read_ones = [_struct(f"{where}[{at}]", one, of, problems) for at, one in enumerate(value, 1)]
    return None if None in read_ones else read_ones


def is_list(wanted: Any) -> bool:
    """Whether ``wanted`` is an array of tables."""
    return get_origin(_bare(wanted)) is list


def mistake(value: object, wanted: Any) -> str:
    """What keeps ``value`` from being ``wanted``; empty for nothing."""
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        # msgspec says where inside the value; the key is named by the caller.
        return str(error).replace(" - at `$`", "").replace("`", "'")
    return ""


def meant(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is nearest; empty when none is near."""
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _struct(where: str, value: object, wanted: type[msgspec.Struct], problems: list[str]) -> Any:
    if not isinstance(value, dict):
        problems.append(f"{where}: must be a table: write its keys below a heading of their own")
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    found: list[str] = []
    for key in value:
        if key not in fields:
            found.append(f"{where}.{key}: unknown key{meant(key, fields)}: correct or remove it")
    converted: dict[str, Any] = {}
    for key, field in fields.items():
        if key not in value:
            if field.required:
                found.append(f"{where}.{key}: missing{_remedy(field.type)}")
        elif _has_structs(field.type):
            converted[field.name] = read(f"{where}.{key}", value[key], field.type, found)
        elif problem := mistake(value[key], field.type):
            found.append(f"{where}.{key}: {problem}{_remedy(field.type)}")
        else:
            converted[field.name] = msgspec.convert(value[key], field.type)
    problems += found
    if found:
        return None
    struct = wanted(**converted)
    if isinstance(struct, Checked):
        found += [f"{where}{'.' if key else ''}{key}: {text}" for key, text in struct.problems()]
        problems += found
    return None if found else struct


def _has_structs(wanted: Any) -> bool:
    bare = _bare(wanted)
    of = get_args(bare)[0] if get_origin(bare) is list else bare
    return isinstance(of, type) and issubclass(of, msgspec.Struct)


def _bare(wanted: Any) -> Any:
    return get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted


def _remedy(wanted: Any) -> str:
    if get_origin(wanted) is Annotated:
        for extra in get_args(wanted)[1:]:
            if isinstance(extra, msgspec.Meta) and extra.description:
                return f": {extra.description}"
    return ""
