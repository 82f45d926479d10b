"""What an act would do, in sentences."""

from tui.preview import totals
from ullage.v1 import types_pb2


def test_a_preview_without_stored_readings_does_not_say_that_nothing_is_billed() -> None:
    asked = types_pb2.Preview(assets=1, series=2, money=[types_pb2.Money(currency="EUR", amount="41.22")])
    assert totals(asked) == [
        "1 asset, 2 series.",
        "About EUR 41.22 more would be billed for time that is not finalised.",
    ]
    asked.readings = 900
    assert totals(asked) == [
        "1 asset, 2 series, 900 readings of time that is not finalised.",
        "About EUR 41.22 more would be billed for that time.",
    ]
