"""What an act would do to assets and money, in sentences and lines that screens and commands both show."""

from tui.failures import sentence
from tui.format import clean, decimal, money, plural
from ullage.v1 import types_pb2


def totals(preview: types_pb2.Preview) -> list[str]:
    """In sentences: how much it concerns, what it means for money, and what else to know."""
    counted, time = (
        f"{plural(preview.assets, 'asset')}, {preview.series:,} series",
        "time that is not finalised",
    )
    said = []
    if preview.readings:
        said.append(sentence(f"{counted}, {plural(preview.readings, 'reading')} of {time}"))
        time = "that time"
    elif preview.assets or preview.series:
        said.append(sentence(counted))
    for one in preview.money:
        amount = decimal(one.amount)
        if amount:
            more = "more" if amount > 0 else "less"
            said.append(f"About {one.currency} {abs(amount):,f} {more} would be billed for {time}.")
    if not any(decimal(one.amount) for one in preview.money) and preview.series:
        said.append(f"No difference in money was found for {time}.")
    if preview.unpriced:
        said.append(f"{preview.unpriced:,} series have no price yet and are not in that sum.")
    said.extend(sentence(note) for note in preview.notes)
    return said or ["Nothing that is metered is concerned."]


def consequences(preview: types_pb2.Preview) -> list[str]:
    """What an act that was done means for money, in sentences; none where it means nothing."""
    said = []
    for one in preview.money:
        amount = decimal(one.amount)
        if amount:
            more = "more" if amount > 0 else "less"
            said.append(
                f"About {one.currency} {abs(amount):,f} {more} will be billed for time that is not finalised."
            )
    return said + [sentence(note) for note in preview.notes]


def line_words(line: types_pb2.PreviewLine) -> str:
    """``bind web-01 vCPU: nobody → Acme/vCPU, EUR 3.20``, cleaned."""
    subject = " ".join(filter(None, (line.act, clean(line.asset_name, 60), clean(line.unit_type, 30))))
    before, after = clean(getattr(line, "from"), 60), clean(line.to, 60)
    way = f": {before or 'nobody'} → {after or 'nobody'}" if before or after else ""
    worth = f", {money(line.money.amount, line.money.currency)}" if line.money.amount else ""
    return f"{subject}{way}{worth}"
