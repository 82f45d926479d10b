"""Provisioning makes one bucket of a kind, and names what it does not decide."""

from decimal import Decimal

from aggregator.domain.match import Condition, Facts, Operator, compile_conditions
from aggregator.domain.provision import Metered, Price, Template, Undecided, provision
from aggregator.domain.terms import Aggregation

VM_RAM, VM_DISK = (5, 4), (5, 5)
PRICES = {"EUR": Price(Decimal("1.5"), Decimal(2))}


def template(
    number: int, pattern: str = "", *, kind: tuple[int, int] = VM_RAM, **changed: object
) -> Template:
    conditions = (Condition("name", Operator.GLOB, pattern),) if pattern else ()
    given: dict[str, object] = {
        "id": number,
        "kind": kind,
        "source_type": "vm",
        "unit_type": {VM_RAM: "ram", VM_DISK: "disk"}[kind],
        "conditions": conditions,
        "fits": compile_conditions(conditions) if conditions else lambda facts: True,
        "aggregation": Aggregation.AVG,
        "percentile": None,
        "commit": Decimal(0),
        "prices": PRICES,
    }
    return Template(**{**given, **changed})  # type: ignore[arg-type]


def metered(
    asset: int, name: str = "web-1", *, kind: tuple[int, int] = VM_RAM, since: int | None = 100
) -> Metered:
    facts = Facts(source_type="vm", external_id=str(asset), name=name, address="", agent="a", site="s")
    return Metered(asset_id=asset, kind=kind, facts=facts, from_slot=since)


def test_a_kind_with_assets_and_no_bucket_gets_one() -> None:
    found, problems = provision(
        [metered(1, since=200), metered(2, since=100), metered(3, since=None)],
        templates=[template(1)],
        currency="EUR",
        had=(),
        names=(),
    )
    assert problems == []
    [one] = found
    assert (one.name, one.assets, one.from_slot, one.price) == ("vm ram", (1, 2, 3), 100, PRICES["EUR"])


def test_a_kind_that_had_a_bucket_ever_gets_none() -> None:
    assert provision(
        [metered(1)], templates=[template(1)], currency="EUR", had={VM_RAM}, names=("vm ram",)
    ) == ([], [])


def test_each_kind_gets_a_bucket_of_its_own() -> None:
    found, _ = provision(
        [metered(1), metered(1, kind=VM_DISK)],
        templates=[template(1), template(2, kind=VM_DISK)],
        currency="EUR",
        had=(),
        names=(),
    )
    assert [(one.name, one.template.id) for one in found] == [("vm ram", 1), ("vm disk", 2)]


def test_a_taken_name_is_numbered() -> None:
    found, _ = provision(
        [metered(1)], templates=[template(1)], currency="EUR", had=(), names={"vm ram", "vm ram 2"}
    )
    assert [one.name for one in found] == ["vm ram 3"]


def test_a_pattern_that_fits_no_asset_makes_nothing() -> None:
    assert provision([metered(1)], templates=[template(1, "db-*")], currency="EUR", had=(), names=()) == (
        [],
        [],
    )


def test_a_bucket_is_for_the_assets_that_fit() -> None:
    found, _ = provision(
        [metered(1, "db-1", since=7), metered(2, "web-1", since=3)],
        templates=[template(1, "db-*")],
        currency="EUR",
        had=(),
        names=(),
    )
    assert [(one.assets, one.from_slot) for one in found] == [((1,), 7)]


def test_a_currency_without_price_is_a_problem_and_never_guessed() -> None:
    found, [problem] = provision(
        [metered(1), metered(2)], templates=[template(1)], currency="CHF", had=(), names=()
    )
    assert found == []
    assert (problem.kind, problem.reason, problem.assets) == (VM_RAM, Undecided.NO_PRICE, 2)
    assert "no price in CHF" in problem.detail


def test_two_templates_that_fit_are_a_problem() -> None:
    for second in ("web-*", "web-1", "db-*"):
        found, [problem] = provision(
            [metered(1, "web-1"), metered(2, "db-1")],
            templates=[template(1, "web-*"), template(2, second)],
            currency="EUR",
            had=(),
            names=(),
        )
        assert found == []
        assert problem.reason is Undecided.TWO_TEMPLATES
        assert "1 and 2" in problem.detail


def test_a_problem_of_one_kind_does_not_hold_up_another() -> None:
    found, problems = provision(
        [metered(1), metered(1, kind=VM_DISK)],
        templates=[template(1, prices={}), template(2, kind=VM_DISK)],
        currency="EUR",
        had=(),
        names=(),
    )
    assert [one.name for one in found] == ["vm disk"]
    assert [one.kind for one in problems] == [VM_RAM]
