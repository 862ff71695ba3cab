"""How refresh tokens are spelled: the session's id, a secret, and a signature of both.

The signature distinguishes a token that was used long ago from one that was never issued, without a row for each.
"""

import base64
import hmac
from collections.abc import Sequence
from uuid import UUID

from parley.core.accounts.model import as_bytes, keyed_hash

_ID_CHARACTERS, _SIGNATURE_CHARACTERS = 22, 22
_SIGNATURE_BYTES = 16


def first_token(session_id: UUID, secret: str, key: bytes) -> str:
    """The first token of a session. `secret` is URL-safe text of at least 128 random bits."""
    return _signed(session_id, secret, key)


def next_token(session_id: UUID, token: str, key: bytes) -> str:
    """The successor of the token, always the same one, so that only hashes need to be stored."""
    return _signed(session_id, _text(keyed_hash(key, "refresh", token)), key)


def session_of(token: str, keys: Sequence[bytes]) -> UUID | None:
    """The session that the token was issued to; None for a token that none of the keys signed."""
    body, signature = token[:-_SIGNATURE_CHARACTERS], as_bytes(token[-_SIGNATURE_CHARACTERS:])
    matches = [hmac.compare_digest(as_bytes(_signature(body, key)), signature) for key in keys]
    return UUID(bytes=base64.urlsafe_b64decode(f"{body[:_ID_CHARACTERS]}==")) if any(matches) else None


def _signed(session_id: UUID, secret: str, key: bytes) -> str:
    body = _text(session_id.bytes) + secret
    return body + _signature(body, key)


def _signature(body: str, key: bytes) -> str:
    return _text(keyed_hash(key, "refresh session", body)[:_SIGNATURE_BYTES])


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
