"""Whether everything that agents sent is accounted for: read = stored + quarantined + suppressed.

What is stored lies in ticks or, where it came too late, in the list of that. Pure: the sums are given to it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sums:
    """In readings."""

    read: int
    stored: int
    quarantined: int
    suppressed: int

    def less(self, other: "Sums") -> "Sums":
        """What was added since ``other``."""
        return Sums(
            self.read - other.read,
            self.stored - other.stored,
            self.quarantined - other.quarantined,
            self.suppressed - other.suppressed,
        )


def problem(*, total: Sums, since: Sums | None, batches: Sums, set_aside: int, dropped: int) -> str:
    """What does not add up for one agent, in words; empty when all does.

    ``total`` is over everything applied, ``since`` what was added to it after the last check (None: never checked),
    ``batches`` the same by the batches stored meanwhile; ``set_aside`` counts quarantined readings by day, ``dropped``
    suppressed ones by suppression.
    """
    found = []
    if total.read != total.stored + total.quarantined + total.suppressed:
        found.append(
            f"read {total.read}, but stored {total.stored} + quarantined {total.quarantined} + suppressed {total.suppressed}"
        )
    if total.quarantined != set_aside:
        found.append(f"quarantined {total.quarantined}, but {set_aside} by day and reason")
    if total.suppressed != dropped:
        found.append(f"suppressed {total.suppressed}, but {dropped} by suppression")
    if since is not None and since != batches:
        found.append(f"since the last check {since}, but {batches} by its batches")
    return "; ".join(found)
