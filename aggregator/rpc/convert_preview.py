"""Previews as messages."""

from aggregator.domain.preview import Preview, PreviewLine
from ullage.v1 import types_pb2
from ullage.wire import from_decimal


def to_message(preview: Preview) -> types_pb2.Preview:
    """Field by field; currencies in alphabetical order."""
    return types_pb2.Preview(
        assets=preview.assets,
        series=preview.series,
        readings=preview.readings,
        money=[
            types_pb2.Money(currency=currency, amount=from_decimal(amount))
            for currency, amount in sorted(preview.money.items())
        ],
        unpriced=preview.unpriced,
        lines=[_line(line) for line in preview.lines],
        lines_total=preview.lines_total,
        notes=preview.notes,
        confirm_assets=preview.confirm_assets,
    )


def _line(line: PreviewLine) -> types_pb2.PreviewLine:
    message = types_pb2.PreviewLine(
        act=line.act,
        asset_id=line.asset_id,
        asset_name=line.asset_name,
        unit_type=line.unit_type,
        to=line.to_name,
        money=None
        if line.money is None
        else types_pb2.Money(currency=line.currency, amount=from_decimal(line.money)),
    )
    # Python keeps the field's name for itself.
    setattr(message, "from", line.from_name)
    return message
