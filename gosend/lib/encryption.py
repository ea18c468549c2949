"""Encrypt what must be read back; keys can be changed."""

import base64
import os
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE_BYTES = 12


class CannotOpen(Exception):
    """A sealed value does not belong to this row, was changed, or its key is not in the ring."""


class BadKeyRing(Exception):
    """ENCRYPTION_KEYS is empty or not `id:base64-of-32-bytes[,…]`."""


def new_key() -> str:
    """Make one entry of the key ring: `id:base64-of-32-bytes`."""
    return f"{os.urandom(4).hex()}:{base64.b64encode(os.urandom(32)).decode()}"


@lru_cache(maxsize=4)
def parse_ring(text: str) -> dict[str, AESGCM]:
    """Read a key ring; the first key seals, every key opens."""
    ring: dict[str, AESGCM] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise BadKeyRing("a key of ENCRYPTION_KEYS is not base64") from error
        if not key_id or len(key) != 32:
            raise BadKeyRing("each key of ENCRYPTION_KEYS is id:base64 of 32 bytes")
        ring[key_id] = AESGCM(key)
    if not ring:
        raise BadKeyRing("ENCRYPTION_KEYS holds no key")
    return ring


def seal(plaintext: str, *, context: str) -> str:
    """Encrypt under the newest key; `context` (table, row and tenant) must be given again to open it."""
    ring = parse_ring(settings.ENCRYPTION_KEYS)
    key_id = next(iter(ring))
    nonce = os.urandom(_NONCE_BYTES)
    sealed = ring[key_id].encrypt(nonce, plaintext.encode(), context.encode())
    return f"{key_id}:{base64.b64encode(nonce + sealed).decode()}"


def open_sealed(sealed: str, *, context: str) -> str:
    """Decrypt what `seal` made.

    Raises CannotOpen, so that a value copied into another tenant's row stays shut.
    """
    return _open(settings.ENCRYPTION_KEYS, sealed, context)


@lru_cache(maxsize=1024)
def _open(ring: str, sealed: str, context: str) -> str:
    """The secrets that a process uses again and again are opened once."""
    key_id, _, encoded = sealed.partition(":")
    key = parse_ring(ring).get(key_id)
    if key is None:
        raise CannotOpen(f"no key {key_id!r} in ENCRYPTION_KEYS")
    try:
        data = base64.b64decode(encoded, validate=True)
        return key.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode()).decode()
    except (ValueError, InvalidTag) as error:
        raise CannotOpen("the value was changed or belongs to another row") from error


def is_current(sealed: str) -> bool:
    """Whether a value is sealed under the newest key, so that a rotation may pass it by."""
    newest = next(iter(parse_ring(settings.ENCRYPTION_KEYS)))
    return sealed.partition(":")[0] == newest


class Sealing(Protocol):
    """A row with sealed values: the context of each, by the name of its field."""

    def sealed_contexts(self) -> dict[str, str]: ...


def reseal(row: Sealing) -> list[str]:
    """Seal a row's values anew that are not under the newest key; name the fields that changed."""
    changed = []
    for field, context in row.sealed_contexts().items():
        sealed = getattr(row, field)
        if sealed and not is_current(sealed):
            setattr(row, field, seal(open_sealed(sealed, context=context), context=context))
            changed.append(field)
    return changed
