"""Makes the first admin key, when nobody could make one over the network."""

import secrets

from aggregator.actions.names import valid_name
from aggregator.errors import Conflict
from aggregator.store import keys
from aggregator.store.database import Database, acting

KEY_BYTES = 32
KEY_MARK = "ullage_"
# Enough to recognise a key by, far too little to guess it from.
PREFIX_CHARACTERS = len(KEY_MARK) + 6


def new_key() -> str:
    """A fresh API key: 256 random bits in a form that secret scanners can know."""
    return KEY_MARK + secrets.token_urlsafe(KEY_BYTES)


async def bootstrap_key(db: Database, *, name: str) -> str:
    """The text of a new admin key; it can never be had again.

    Raises ``Conflict`` while an enabled admin key exists (its holder can make more) or the name is taken.
    """
    valid_name("name", name)
    # The audit log has the database's own user as its actor: who may write to it may make the first key.
    with acting("", act="keys bootstrap"):
        return await _insert(db, name=name, key=new_key())


async def _insert(db: Database, *, name: str, key: str) -> str:
    async with db.transaction() as conn:
        if (holder := await keys.enabled_admin(conn)) is not None:
            raise Conflict(f"there is an enabled admin key already ({holder}); its holder can make more")
        number = await keys.insert(
            conn, name=name, prefix=key[:PREFIX_CHARACTERS], sha256=keys.digest(key), role="admin"
        )
        if number is None:
            raise Conflict(f"a key named {name} exists already; choose another --name")
    return key
