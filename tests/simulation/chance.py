"""The one source of chance of a run, and the record of what it decided."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Everything that is not determined is drawn here; everything that happens is told here."""

    def __init__(self, seed: int, now: Callable[[], float]) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        # How often something happened, for the proof that it did.
        self.counts: Counter[str] = Counter()
        # Everything in order, for whoever replays the seed.
        self.trace: list[str] = []
        self.now = now

    def tell(self, what: str, about: str = "") -> None:
        """Counts ``what`` and keeps a line about it."""
        self.counts[what] += 1
        self.trace.append(f"{self.now():10.3f}  {what}  {about}")

    def note(self, about: str) -> None:
        """Keeps a line without counting it."""
        self.trace.append(f"{self.now():10.3f}      {about}")

    def happens(self, probability: float) -> bool:
        """True with that probability."""
        return self.random.random() < probability

    def between(self, low: float, high: float) -> float:
        """A number, every one as likely."""
        return low + (high - low) * self.random.random()

    def wait(self, mean: float) -> float:
        """A time to the next event of a kind that has no memory."""
        return self.random.expovariate(1 / mean)

    def below(self, end: int) -> int:
        """A whole number from 0."""
        return self.random.randrange(end)

    def one(self, of: Sequence[T]) -> T:
        """One of them."""
        return of[self.random.randrange(len(of))]

    def bytes(self, length: int) -> bytes:
        """Random bytes."""
        return self.random.randbytes(length)
