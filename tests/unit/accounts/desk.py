"""The accounts module wired up with a clock, chance and outer world that a test can foresee."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.security.jwt_tokens import JwtAccessTokens
from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.codes import CodeSent, send_code, sign_in_by_code
from parley.core.accounts.deliveries import deliver_code
from parley.core.accounts.model import Account, Caller, Identity, IdentityKind, Purpose, SignedIn, TokenPair
from parley.core.accounts.password_change import change_password, reset_password
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.passwords import log_in, sign_up
from parley.core.accounts.ports import CodeDelivery
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.sessions import end_session, refresh_session
from parley.core.accounts.stores import AccountsUnitOfWork
from tests.unit.accounts.outer_world import Envelopes, Hints, Notebook, QuickPasswords, SendBuffer

MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")
PASSWORD = "correct horse battery staple"
SESSION_LIFE = timedelta(days=30)


class Desk:
    def __init__(self, uow: AccountsUnitOfWork) -> None:
        self.uow = uow
        self.now = datetime(2026, 3, 14, 12, tzinfo=UTC)
        self.outbox = SendBuffer()
        self.passwords = QuickPasswords()
        self.hints = Hints()
        self.post: CodeDelivery | None = CodeDelivery(
            senders={IdentityKind.EMAIL: self.outbox, IdentityKind.MOBILE_NUMBER: self.outbox},
            queue=self.hints,
            cipher=Envelopes(),
        )
        self.audit = Notebook()
        self.rules = PasswordRules(frozenset({"password1", "iloveyou"}))
        self.rate_limiter = MemoryRateLimiter(self._seconds)
        self.turns = IdentityRateLimits(
            rate_limiter=self.rate_limiter, key=b"of the throttle", audit=self.audit, attempts_per_hour=10
        )
        self.revocations = RevocationList(uow=uow, token_life=timedelta(minutes=15), monotonic=self._seconds)
        self.access_tokens = JwtAccessTokens(["a secret of at least thirty-two bytes"], life=timedelta(minutes=15))
        self.policy = CodePolicy()
        self.keys = [b"the key of this test"]
        self.user_agent: str | None = "a test"
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
        await self.ask(identity, purpose)
        await self.deliver()
        return self.outbox.sent[-1][1]

    async def ask(self, identity: Identity = MIRA, purpose: Purpose = Purpose.SIGN_IN) -> CodeSent:
        """Ask for a code, which then waits to be delivered."""
        return await send_code(
            uow=self.uow,
            turns=self.turns,
            post=self.post,
            policy=self.policy,
            keys=self.keys,
            identity=identity,
            purpose=purpose,
            new_code=self.new_code,
            new_id=self.new_id,
            audit=self.audit,
            now=self.now,
        )

    async def deliver(self) -> None:
        """What a worker does with all hints there are."""
        hints, self.hints.ids = self.hints.ids, []
        for delivery_id in hints:
            await deliver_code(uow=self.uow, post=self.post, audit=self.audit, delivery_id=delivery_id, now=self.now)

    async def verify(self, code: str, identity: Identity = MIRA, *, signup_token: str | None = None) -> SignedIn:
        return await sign_in_by_code(
            uow=self.uow,
            access_tokens=self.access_tokens,
            audit=self.audit,
            keys=self.keys,
            identity=identity,
            code=code,
            signup_token=signup_token,
            user_agent=self.user_agent,
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
            rules=self.rules,
            turns=self.turns,
            audit=self.audit,
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
            turns=self.turns,
            audit=self.audit,
            identity=identity,
            password=password,
            user_agent=self.user_agent,
            session_life=SESSION_LIFE,
            new_id=self.new_id,
            new_token=self.new_token,
            now=self.now,
        )

    async def refresh(self, refresh_token: str) -> TokenPair:
        return await refresh_session(
            uow=self.uow,
            access_tokens=self.access_tokens,
            revocations=self.revocations,
            audit=self.audit,
            keys=self.keys,
            refresh_token=refresh_token,
            life=SESSION_LIFE,
            now=self.now,
        )

    async def reset(self, code: str, new_password: str, identity: Identity = MIRA) -> None:
        await reset_password(
            uow=self.uow,
            passwords=self.passwords,
            rules=self.rules,
            revocations=self.revocations,
            audit=self.audit,
            keys=self.keys,
            identity=identity,
            code=code,
            new_password=new_password,
            now=self.now,
        )

    async def change(self, signed_in: TokenPair, new_password: str, *, current: str | None = None) -> None:
        await change_password(
            uow=self.uow,
            passwords=self.passwords,
            rules=self.rules,
            turns=self.turns,
            revocations=self.revocations,
            audit=self.audit,
            caller=self.caller(signed_in),
            current_password=current,
            new_password=new_password,
            now=self.now,
        )

    async def end(self, caller: Caller, session_id: UUID | None = None) -> None:
        """The caller's own session unless another is named."""
        await end_session(
            uow=self.uow,
            revocations=self.revocations,
            audit=self.audit,
            account_id=caller.account_id,
            session_id=session_id or caller.session_id,
            how="test",
            now=self.now,
        )

    def caller(self, signed_in: TokenPair) -> Caller:
        return self.access_tokens.read(signed_in.access_token, self.now)

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
