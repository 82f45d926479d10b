"""Which suppression an asset counts for."""

from aggregator.domain.match import Condition, Facts, Operator
from aggregator.domain.suppress import Suppression, compile_suppressions

WEB = Facts(source_type="vm", external_id="v1", name="web1", address="10.1.2.3", agent="hv", site="berlin")


def rule(number: int, field: str, operator: Operator, pattern: str) -> Suppression:
    return Suppression(number, Condition(field, operator, pattern))


def test_an_asset_counts_for_the_oldest_suppression_that_it_fits() -> None:
    find = compile_suppressions(
        [
            rule(9, "name", Operator.GLOB, "web*"),
            rule(3, "address", Operator.CIDR, "10.0.0.0/8"),
            rule(1, "name", Operator.EQUALS, "web"),
        ]
    )
    assert find(WEB) == 3


def test_an_asset_that_fits_none_is_taken() -> None:
    assert compile_suppressions([])(WEB) == 0
    assert compile_suppressions([rule(1, "label:env", Operator.REGEX, ".*")])(WEB) == 0


def test_a_pattern_that_cannot_be_compiled_any_more_keeps_nothing_out() -> None:
    find = compile_suppressions([rule(1, "name", Operator.REGEX, "("), rule(2, "name", Operator.GLOB, "w*")])
    assert find(WEB) == 2
