"""Writes measured figures into docs/benchmarks.md, between its two markers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.registry import Figure

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def table(figures: Sequence[Figure], machine: Mapping[str, object], versions: Mapping[str, str]) -> str:
    """The figures as Markdown, with what they were measured on."""
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in {**machine, **versions}.items())
    rows = [
        f"| {figure.name} | {number(figure.value)} | {figure.unit} | "
        f"{', '.join(f'{number(value)} {name}' for name, value in figure.sizes.items())} |"
        for figure in figures
    ]
    return "\n".join(
        ["| what | figure | unit | measured over |", "|---|---:|---|---|", *rows, "", f"On: {about}.", ""]
    )


def number(value: float) -> str:
    """Thousands apart; three significant digits are all a benchmark has below 1,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(text: str) -> None:
    """Replace what is between the markers. Raises ValueError when the document has lost one."""
    document = DOCUMENT.read_text("utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no lines {BEGIN} and {END}")
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}{END}{after}", "utf-8")


def as_json(figures: Sequence[Figure], machine: Mapping[str, object], versions: Mapping[str, str]) -> str:
    """The same for programs."""
    listed = [{"name": f.name, "value": f.value, "unit": f.unit, "sizes": dict(f.sizes)} for f in figures]
    return json.dumps({"machine": machine, "versions": versions, "figures": listed}, indent=2)
