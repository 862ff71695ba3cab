"""The API keys that this process has looked up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from parley.core.accounts.api_key_store import ApiKey
from parley.core.accounts.errors import ApiKeyInvalid
from parley.core.accounts.model import Caller, token_hash
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.errors import Unavailable

KEY_PREFIX = "pk-"
KEY_CHARACTERS = 100
# How long a key that was found is not looked up again. A revoked one is refused before: it is in the revocation list.
LOOK_UP_SECONDS = 60.0
# No use is written within this time of the one before.
LAST_USE_SECONDS = 60.0
REMEMBERED_KEYS = 10_000
_NEVER = datetime.max.replace(tzinfo=UTC)


def is_api_key(token: str) -> bool:
    """Whether the bearer token is meant as an API key. No access token begins so."""
    return token.startswith(KEY_PREFIX)


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    look_up_at: datetime


class KnownApiKeys:
    """Finds the caller of an API key, in the database at most once in LOOK_UP_SECONDS for each process and key.

    Callers of keys have the key's id where others have their session's, so that the revocation list, stream tickets and
    open streams treat a revoked key as an ended session. The last `remember` keys are remembered, at least one.
    """

    def __init__(self, uow: AccountsUnitOfWork, *, remember: int = REMEMBERED_KEYS) -> None:
        self._uow = uow
        self._remember = remember
        self._known: dict[bytes, _Known] = {}

    async def caller(self, key: str, now: datetime) -> Caller:
        """The caller that the key identifies. Does not check whether the key was revoked since it was looked up.

        Raises ApiKeyInvalid for an unknown or expired key.
        """
        if len(key) > KEY_CHARACTERS:
            raise ApiKeyInvalid("malformed")
        key_hash = token_hash(key)
        known = self._known.get(key_hash)
        if known is None or known.look_up_at <= now:
            self._known.pop(key_hash, None)
            known = await self._look_up(key_hash, now)
            if len(self._known) >= self._remember:
                del self._known[next(iter(self._known))]
            self._known[key_hash] = known
        if known.caller.expires_at <= now:
            raise ApiKeyInvalid("expired")
        return known.caller

    async def _look_up(self, key_hash: bytes, now: datetime) -> _Known:
        async with self._uow(read_only=True) as unit:
            found = await unit.api_keys.find(key_hash)
        if found is None:
            raise ApiKeyInvalid("unknown_key")
        look_up_at = now + timedelta(seconds=LOOK_UP_SECONDS)
        await self._note_use(found, now)
        caller = Caller(found.account_id, found.id, found.expires_at or _NEVER, by_key=True, unmetered=found.unmetered)
        return _Known(caller, look_up_at)

    async def _note_use(self, key: ApiKey, now: datetime) -> None:
        earlier = now - timedelta(seconds=LAST_USE_SECONDS)
        if key.last_used_at is not None and key.last_used_at > earlier:
            return
        try:
            async with self._uow() as unit:
                await unit.api_keys.note_use(key.id, at=now, unless_after=earlier)
                await unit.commit()
        except Unavailable:
            # A database that cannot write must not refuse what only reads. The next look-up notes the use.
            return
