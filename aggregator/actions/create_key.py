"""Makes an API key; its text is the caller's and nobody else's."""

from dataclasses import dataclass

from aggregator.actions import given
from aggregator.actions.bootstrap_key import PREFIX_CHARACTERS, new_key
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import keys
from aggregator.store.database import Database

ROLES = ("viewer", "operator", "billing", "admin", "client")
# Far more than people and programs, far fewer than a mistake in a loop makes.
KEYS_MAX = 10_000
# With these the audit log names who is no key.
PREFIXES_TAKEN = ("db:", "job:")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key's id, and its text, which can never be had again. Its text is in no ``repr``, so that no log can have it."""

    id: int
    key: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id})"


async def create_key(db: Database, *, name: str, role: str, client_id: int) -> NewKey:
    """``client_id`` is the one client that a key with the role ``client`` sees, and 0 with every other role.

    Raises ``Invalid`` naming the field, ``NotFound`` for an unknown client, ``Conflict`` when the name is taken.
    """
    cleaned = given.name("name", name)
    if cleaned.startswith(PREFIXES_TAKEN):
        raise Invalid(
            "name", f"must not start with {' or '.join(PREFIXES_TAKEN)}; the audit log means others by it"
        )
    if role not in ROLES:
        raise Invalid("role", f"must be one of {', '.join(ROLES)}")
    if role == "client" and not client_id:
        raise Invalid("client_id", "is needed with the role client: the one client that the key sees")
    if role != "client" and client_id:
        raise Invalid("client_id", f"must be empty: a key with the role {role} sees all clients")
    key = new_key()
    async with db.transaction() as conn:
        if await keys.how_many(conn) >= KEYS_MAX:
            raise Conflict(f"there are {KEYS_MAX} keys already; one key may be used by several programs")
        if client_id and not await keys.client_exists(conn, client_id):
            raise NotFound("client", client_id)
        number = await keys.insert(
            conn,
            name=cleaned,
            prefix=key[:PREFIX_CHARACTERS],
            sha256=keys.digest(key),
            role=role,
            client_id=client_id or None,
        )
        if number is None:
            raise Conflict(f"a key named {cleaned} exists already; choose another name")
    return NewKey(number, key)
