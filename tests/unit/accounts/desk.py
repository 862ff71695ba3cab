"""The accounts module wired up with a clock, chance and outer world that a test can foresee."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.adapters.jwt_tokens import JwtAccessTokens
from parley.adapters.memory.throttle import MemoryThrottle
from parley.core.accounts.codes import CodePolicy, send_code, sign_in_by_code
from parley.core.accounts.model import Account, Identity, IdentityKind, Purpose, SignedIn, TokenPair
from parley.core.accounts.passwords import log_in, sign_up
from parley.core.accounts.ports import AccountsUnitOfWork
from parley.core.accounts.sessions import refresh_session

MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")
PASSWORD = "correct horse battery staple"
SESSION_LIFE = timedelta(days=30)


class Outbox:
    """An OtpSender that keeps the post."""

    def __init__(self) -> None:
        self.sent: list[tuple[Identity, str, Purpose]] = []

    async def send(self, identity: Identity, code: str, purpose: Purpose) -> str | None:
        self.sent.append((identity, code, purpose))
        return None


class QuickPasswords:
    """Passwords with reversible hashes of a `cost`, which notes what it was made to do."""

    def __init__(self) -> None:
        self.cost = 1
        self.hashed = 0
        self.verified: list[str | None] = []

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return f"{self.cost}:{password}"

    async def verify(self, password: str, password_hash: str | None) -> bool:
        self.verified.append(password_hash)
        return password_hash is not None and password_hash.partition(":")[2] == password

    def needs_rehash(self, password_hash: str) -> bool:
        return password_hash.partition(":")[0] != str(self.cost)


class Desk:
    def __init__(self, uow: AccountsUnitOfWork) -> None:
        self.uow = uow
        self.now = datetime(2026, 3, 14, 12, tzinfo=UTC)
        self.outbox = Outbox()
        self.passwords = QuickPasswords()
        self.throttle = MemoryThrottle(self._seconds)
        self.access_tokens = JwtAccessTokens(["a secret of at least thirty-two bytes"], life=timedelta(minutes=15))
        self.policy = CodePolicy()
        self.keys = [b"the key of this test"]
        self._count = itertools.count(1)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def new_id(self) -> UUID:
        return UUID(int=next(self._count))

    def new_token(self) -> str:
        return f"token-{next(self._count)}"

    def new_code(self) -> str:
        return f"{next(self._count):06}"

    async def send(self, identity: Identity = MIRA, purpose: Purpose = Purpose.SIGN_IN) -> str:
        """The code that arrives."""
        await send_code(
            uow=self.uow,
            throttle=self.throttle,
            sender=self.outbox,
            policy=self.policy,
            keys=self.keys,
            identity=identity,
            purpose=purpose,
            new_code=self.new_code,
            now=self.now,
        )
        return self.outbox.sent[-1][1]

    async def verify(self, code: str, identity: Identity = MIRA, *, signup_token: str | None = None) -> SignedIn:
        return await sign_in_by_code(
            uow=self.uow,
            access_tokens=self.access_tokens,
            keys=self.keys,
            identity=identity,
            code=code,
            signup_token=signup_token,
            session_life=SESSION_LIFE,
            new_id=self.new_id,
            new_token=self.new_token,
            now=self.now,
        )

    async def sign_in(self, identity: Identity = MIRA, *, signup_token: str | None = None) -> SignedIn:
        """Send a code and use it."""
        return await self.verify(await self.send(identity), identity, signup_token=signup_token)

    async def sign_up(
        self, identity: Identity = MIRA, *, name: str | None = "Mira", password: str | None = PASSWORD
    ) -> str:
        started = await sign_up(
            uow=self.uow,
            passwords=self.passwords,
            identity=identity,
            name=name,
            password=password,
            new_token=self.new_token,
            now=self.now,
        )
        return started.signup_token

    async def log_in(self, password: str = PASSWORD, identity: Identity = MIRA) -> SignedIn:
        return await log_in(
            uow=self.uow,
            passwords=self.passwords,
            access_tokens=self.access_tokens,
            identity=identity,
            password=password,
            session_life=SESSION_LIFE,
            new_id=self.new_id,
            new_token=self.new_token,
            now=self.now,
        )

    async def refresh(self, refresh_token: str) -> TokenPair:
        return await refresh_session(
            uow=self.uow,
            access_tokens=self.access_tokens,
            keys=self.keys,
            refresh_token=refresh_token,
            life=SESSION_LIFE,
            now=self.now,
        )

    async def account(self, identity: Identity = MIRA) -> Account | None:
        async with self.uow(read_only=True) as unit:
            return await unit.accounts.find(identity)


async def outcomes(calls: Iterable[Awaitable[object]]) -> tuple[list[object], list[BaseException]]:
    """What the calls, made at once, returned, and what they raised."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    raised = [outcome for outcome in done if isinstance(outcome, BaseException)]
    return [outcome for outcome in done if not isinstance(outcome, BaseException)], raised


def wrong_code(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"
