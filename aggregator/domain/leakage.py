"""Money not billed: usage that is bound to nothing, by how long it has been so."""

from dataclasses import dataclass
from decimal import Decimal

# Days since an asset's oldest unbound slot, up to and including; what is older is "older".
AGES = ("7", "30", "90", "older")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What one client's (0: nobody's) unbound assets of one age are about worth.

    ``currency`` is empty and ``money`` 0 where nothing of them has a price; of ``unpriced`` assets not all has
    one.
    """

    client_id: int
    client_name: str
    currency: str
    age: str
    assets: int
    money: Decimal
    unpriced: int
