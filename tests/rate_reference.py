"""What a quantity must cost, worked out with fractions; and the roundings that every reference uses."""

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any


def charged(terms: Mapping[str, Any], quantity: Decimal, share: Fraction, digits: int) -> dict[str, Decimal]:
    """Unit by unit where there are tiers: between two bounds the price is one."""
    of_units = share if terms["aggregation"] == "sum" else Fraction(1)
    of_money = Fraction(1) if terms["aggregation"] == "sum" else share
    commit, base = Fraction(terms["commit"]) * of_units, Fraction(terms["base_price"])
    over = max(Fraction(0), Fraction(quantity) - commit)
    if terms["package"] is not None:
        over = math.ceil(over / Fraction(terms["package"])) * Fraction(terms["package"])
    tiers = terms["tiers"] or [{"above": "0", "price": str(terms["overage_price"])}]
    bounds = [Fraction(tier["above"]) * of_units for tier in tiers]
    overage = Fraction(0)
    for tier, low, high in zip(tiers, bounds, [*bounds[1:], max(over, *bounds)], strict=True):
        if over > low:
            overage += (min(over, high) - low) * Fraction(tier["price"])
    exact = {
        "used": min(Fraction(quantity), commit) * base * of_money,
        "buffer": max(Fraction(0), commit - Fraction(quantity)) * base * of_money,
        "overage": overage * of_money,
    }
    subtotal = sum(exact.values(), Fraction(0))
    wanted = subtotal
    if terms["minimum"] is not None:
        wanted = max(wanted, Fraction(terms["minimum"]) * share)
    if terms["maximum"] is not None:
        wanted = min(wanted, Fraction(terms["maximum"]) * share)
    exact["limit_amount"] = wanted - subtotal
    cost = rounded(wanted, digits)
    parts = {name: rounded(part, digits) for name, part in exact.items()}
    largest = max(exact, key=lambda name: abs(exact[name]))
    parts[largest] += cost - sum(parts.values())
    return {**parts, "cost": cost, "commit": decimal(commit), "overage_units": decimal(over)}


def rounded(value: Fraction, places: int) -> Decimal:
    """Half away from zero."""
    steps = int((abs(value) * 10**places * 2 + 1) // 2)
    return Decimal(-steps if value < 0 else steps).scaleb(-places)


def decimal(value: Fraction) -> Decimal:
    """Exact where it ends within 30 places, else to ten."""
    exact = value * 10**30
    return rounded(value, 30 if exact.denominator == 1 else 10)
