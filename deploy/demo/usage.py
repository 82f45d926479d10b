"""What a simulated agent measures on a day, drawn so that any day can be drawn again alone."""

import numpy as np
from numpy.typing import NDArray

from deploy.demo.plans import SEED, SimulatedAgent

DAYS_PER_YEAR = 365


def usage_of_day(
    agent: SimulatedAgent, *, agent_number: int, day: int, weekday: int, steps: int, seed: int = SEED
) -> NDArray[np.int64]:
    """What all series of an agent (things in order, shapes in order) measure on one day, as whole steps.

    Shape (steps, series): 24 steps for hourly ticks, 288 for five minutes. Amounts are of the step that ends there.
    ``day`` counts from the backfill's start, ``weekday`` is 0 for Monday. Draws depend on (seed, agent, day, steps)
    only. Whether a thing exists on that day is the caller's to ask.
    """
    shapes = [shape for thing in agent.things for shape in thing.shapes]
    rng = np.random.Generator(np.random.Philox(key=[seed << 32 | agent_number, day << 16 | steps]))
    mean = np.array([s.mean for s in shapes])
    amount = np.array([s.amount for s in shapes])
    growth = np.array([s.growth for s in shapes])
    swing = np.array([s.swing for s in shapes])
    noise = np.array([s.noise for s in shapes])
    hours = (np.arange(steps) + 1) * 24.0 / steps
    # Busiest at 14:00, quiet at night; a weekend has two fifths of a working day's swing. Averages to about 1.
    bump = np.sin((hours - 8.0) * np.pi / 12.0) * (1.0 if weekday < 5 else 0.4)
    level = mean * (1.0 + growth * day / DAYS_PER_YEAR)
    values = level * (1.0 + np.outer(bump, swing)) * (1.0 + noise * rng.standard_normal((steps, len(shapes))))
    values = np.where(amount, values * 24.0 / steps, values)
    return np.maximum(np.rint(values), 0.0).astype(np.int64)
