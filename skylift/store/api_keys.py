"""API keys. The store keeps a digest of each: the key itself is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, select

from skylift.errors import ConflictError, InvalidError, NotFoundError
from skylift.ids import API_KEY_PREFIX, new_id, new_token, token_hash
from skylift.models.api_keys import ApiKey, ApiKeyCreate, NewApiKey, Role
from skylift.store.engine import Store, Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import api_keys

_ANY = select(api_keys.c.id).limit(1)
SHOWN = len(API_KEY_PREFIX) + 4


def create(tx: Tx, wanted: ApiKeyCreate) -> NewApiKey:
    """Raises `ConflictError` where the name is taken, `InvalidError` where it would be expired at once."""
    if wanted.expires and wanted.expires <= tx.now:
        raise InvalidError("A key cannot expire before it is made", field="expires")
    secret = API_KEY_PREFIX + new_token()
    values = {
        "id": new_id(),
        "created": tx.now,
        "updated": tx.now,
        "name": wanted.name,
        "role": str(wanted.role),
        "key_hash": token_hash(secret),
        "beginning": secret[:SHOWN],
        "expires": wanted.expires,
    }
    if not insert_if_new(tx, api_keys, values):
        raise ConflictError(f"An API key with the name {wanted.name!r} already exists")
    return NewApiKey.model_validate(values | {"key": secret})


def every(tx: Tx) -> list[ApiKey]:
    """All keys, those that have expired included, by name."""
    return [ApiKey.model_validate(row) for row in tx.all(select(api_keys).order_by(api_keys.c.name))]


def revoke(tx: Tx, name: str) -> None:
    """From now on it is not valid. Raises `NotFoundError`."""
    if not tx.run(delete(api_keys).where(api_keys.c.name == name)):
        raise NotFoundError(f"There is no API key {name!r}")


def role_of(tx: Tx, secret: str) -> Role | None:
    """What this key allows; None where it is not valid (any more)."""
    return role_of_hash(tx, token_hash(secret))


def role_of_hash(tx: Tx, key_hash: str) -> Role | None:
    """As `role_of`, of a key of which only the digest is known."""
    row: Row[Any] | None = tx.one(select(api_keys.c.role, api_keys.c.expires).where(api_keys.c.key_hash == key_hash))
    if not row or (row.expires and row.expires <= tx.now):
        return None
    return Role(row.role)


def are_there(store: Store) -> bool:
    """Whether there is a key, expired or not. Asked by every request that shows no credentials."""
    return store.holds(_ANY)
