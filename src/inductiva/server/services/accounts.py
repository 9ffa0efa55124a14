"""Users and their API keys. Of a key only its SHA-256 is kept."""

from __future__ import annotations

import hashlib
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, select

from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import api_keys, users

EMBEDDED_USER = "you"


@dataclass(frozen=True, slots=True)
class Account:
    """Who makes a request."""

    id: str
    username: str
    email: str
    name: str | None
    created_at: float


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def find(connection: Connection, key: str) -> Account | None:
    """Whose key it is; None when it is unknown or revoked."""
    row = connection.execute(
        select(users)
        .join(api_keys, api_keys.c.user_id == users.c.id)
        .where(api_keys.c.hash == hash_key(key), api_keys.c.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.username, row.email, row.name, row.created_at)


def ensure_embedded_user(tx: Transaction, key_file: Path) -> None:
    """The user of this machine, whose key is in `key_file` (mode 0600, made here when it is missing)."""
    user_id = tx.conn.execute(select(users.c.id).where(users.c.username == EMBEDDED_USER)).scalar()
    if user_id is None:
        user_id = str(uuid.uuid4())
        values = {"id": user_id, "username": EMBEDDED_USER, "email": "you@localhost", "name": None}
        tx.conn.execute(insert(users).values(**values, created_at=tx.now))
    key = _stored_key(key_file)
    if key is None or tx.conn.execute(select(api_keys.c.hash).where(api_keys.c.hash == hash_key(key))).first() is None:
        key = key or secrets.token_urlsafe(32)
        tx.conn.execute(insert(api_keys).values(hash=hash_key(key), user_id=user_id, scopes=["*"], created_at=tx.now))
        _store_key(key_file, key)


def _stored_key(file: Path) -> str | None:
    try:
        return file.read_text().strip() or None
    except FileNotFoundError:
        return None


def _store_key(file: Path, key: str) -> None:
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(key)
        out.flush()
        os.fsync(out.fileno())
    temporary.rename(file)
