"""Access tokens and stream tickets as JSON Web Tokens: HS256, with a `kid` that names the secret."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import LONGEST_TOKEN_LIFE, Caller
from parley.core.chat.tickets import TICKET_SECONDS, Ticket, TicketInvalid

ISSUER = "parley"
ACCESS = "parley:access"
STREAM = "parley:stream"
ALGORITHM = "HS256"
SECRET_BYTES = 32  # RFC 7518, 3.2: a key as long as the hash
# How far the signing machine's clock may be ahead of this one's.
CLOCK_SKEW = timedelta(seconds=60)
REMEMBERED_TOKENS = 10_000


class JwtAccessTokens:
    """The `AccessTokens` port. Tokens are valid for `life`, in whole seconds; the first of `secrets` signs, all verify.

    The last `remember` verified tokens are cached, at least one, and skip the signature check. Raises ValueError for a
    secret under 32 bytes.
    """

    def __init__(self, secrets: Sequence[str], *, life: timedelta, remember: int = REMEMBERED_TOKENS) -> None:
        self._signed = _SignedClaims(secrets, audience=ACCESS, life=life, names=("sub", "sid"))
        self._life = life
        self._remember = remember
        self._verified: dict[str, Caller] = {}

    @property
    def expires_in(self) -> int:
        return int(self._life.total_seconds())

    def issue(self, account_id: UUID, session_id: UUID, now: datetime) -> str:
        return self._signed.write({"sub": account_id, "sid": session_id}, now)

    def read(self, token: str, now: datetime) -> Caller:
        known = self._verified.get(token)
        caller = known or self._verify(token, now)
        if caller.expires_at <= now:
            self._verified.pop(token, None)
            raise TokenInvalid("expired")
        if known is None:
            if len(self._verified) >= self._remember:
                del self._verified[next(iter(self._verified))]
            self._verified[token] = caller
        return caller

    def _verify(self, token: str, now: datetime) -> Caller:
        try:
            (account_id, session_id), expires_at = self._signed.read(token, now)
        except jwt.InvalidTokenError as error:
            raise TokenInvalid(_reason(error)) from error
        return Caller(account_id, session_id, expires_at)


class JwtStreamTickets:
    """The `StreamTickets` port. Tickets are valid for TICKET_SECONDS; `secrets` are used as in JwtAccessTokens."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._signed = _SignedClaims(
            secrets, audience=STREAM, life=timedelta(seconds=TICKET_SECONDS), names=("sub", "sid", "room", "reply")
        )

    def issue(self, ticket: Ticket, now: datetime) -> str:
        ids = {"sub": ticket.account_id, "sid": ticket.session_id, "room": ticket.room_id, "reply": ticket.reply_id}
        return self._signed.write(ids, now)

    def read(self, token: str, now: datetime) -> Ticket:
        try:
            (account_id, session_id, room_id, reply_id), expires_at = self._signed.read(token, now)
        except jwt.InvalidTokenError as error:
            raise TicketInvalid(_reason(error)) from error
        if expires_at <= now:
            raise TicketInvalid("expired")
        return Ticket(account_id, session_id, room_id, reply_id)


class _UnknownKey(jwt.InvalidTokenError):
    """The token names no secret of this deployment."""


class _SignedClaims:
    """Tokens for one audience, with an id in each of the claims `names`. The caller checks the expiry."""

    def __init__(self, secrets: Sequence[str], *, audience: str, life: timedelta, names: tuple[str, ...]) -> None:
        keys = [secret.encode() for secret in secrets]
        if not keys or any(len(key) < SECRET_BYTES for key in keys):
            raise ValueError(f"a secret that signs tokens needs {SECRET_BYTES} bytes or more")
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in keys}
        self._signing = next(iter(self._keys))
        self._audience = audience
        self._life = life
        self._names = names
        self._options: Any = {
            "require": ["iss", "aud", "iat", "exp", *names],
            "enforce_minimum_key_length": True,
            "strict_aud": True,
            # These two checks would use the machine's clock.
            "verify_exp": False,
            "verify_iat": False,
        }

    def write(self, ids: dict[str, UUID], now: datetime) -> str:
        issued_at = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "iat": issued_at,
            "exp": issued_at + int(self._life.total_seconds()),
            **{name: str(value) for name, value in ids.items()},
        }
        return jwt.encode(claims, self._keys[self._signing], ALGORITHM, headers={"kid": self._signing})

    def read(self, token: str, now: datetime) -> tuple[list[UUID], datetime]:
        """The ids in the order of `names`, and when the token expires: within LONGEST_TOKEN_LIFE of its issue.

        Raises jwt.InvalidTokenError.
        """
        if not token.isascii():
            raise jwt.DecodeError
        key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise _UnknownKey
        claims = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=self._audience, issuer=ISSUER, options=self._options
        )
        try:
            if datetime.fromtimestamp(claims["iat"], UTC) > now + CLOCK_SKEW:
                raise jwt.ImmatureSignatureError
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            longest = datetime.fromtimestamp(claims["iat"], UTC) + LONGEST_TOKEN_LIFE
            return [UUID(claims[name]) for name in self._names], min(expires_at, longest)
        except (TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            raise jwt.InvalidTokenError from error


def _reason(error: jwt.InvalidTokenError) -> str:
    """Why a token was refused, as a fixed word."""
    return next((word for kind, word in _REASONS.items() if isinstance(error, kind)), "claims")


# In this order: a wrong signature is a kind of DecodeError too.
_REASONS: dict[type[Exception], str] = {
    jwt.InvalidSignatureError: "signature",
    _UnknownKey: "unknown_key",
    jwt.DecodeError: "malformed",
    jwt.ImmatureSignatureError: "from_the_future",
}
