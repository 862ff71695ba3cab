"""The accounts module with fakes: a clock, ids, codes and senders that a test controls."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.security.jwt_tokens import JwtAccessTokens
from parley.adapters.security.phone_numbers import PhoneNumbers
from parley.core.accounts import AccountsPorts
from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.codes import CodeSent, send_code, sign_in_by_code
from parley.core.accounts.deliveries import deliver_code
from parley.core.accounts.directory import AccountDirectory
from parley.core.accounts.human_checks import HumanChecks
from parley.core.accounts.identity_rate_limits import IdentityRateLimits
from parley.core.accounts.known_keys import KnownApiKeys
from parley.core.accounts.model import Account, Caller, Identity, IdentityKind, Purpose, SignedIn, TokenPair
from parley.core.accounts.password_change import change_password, reset_password
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.passwords import log_in, sign_up
from parley.core.accounts.ports import CodeDelivery
from parley.core.accounts.profile import find_account
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.sessions import end_session, refresh_session
from parley.core.accounts.sources import Client
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.outgoing_events import Webhooks
from tests.fakes.account_ports import FakeAuditTrail, FakeCipher, FakeDeliveryQueue, FakeOtpSender, FakePasswords
from tests.fakes.database import FakeDatabase
from tests.fakes.directory import FakeAccountDirectory
from tests.fakes.plans import PLANS

MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")
PASSWORD = "correct horse battery staple"
SESSION_LIFE = timedelta(days=30)
SESSION_MAX_AGE = timedelta(days=365)


class AccountsEnvironment:
    """A test may replace any attribute; `ports` has the current ones. `keys` are for codes and refresh tokens."""

    def __init__(self, uow: AccountsUnitOfWork) -> None:
        self.uow = uow
        self.now = datetime(2026, 3, 14, 12, tzinfo=UTC)
        self.sender = FakeOtpSender()
        self.passwords = FakePasswords()
        self.queue = FakeDeliveryQueue()
        self.code_delivery: CodeDelivery | None = CodeDelivery(
            senders={IdentityKind.EMAIL: self.sender, IdentityKind.MOBILE_NUMBER: self.sender},
            queue=self.queue,
            cipher=FakeCipher(),
        )
        self.audit = FakeAuditTrail()
        self.password_rules = PasswordRules(frozenset({"password1", "iloveyou"}))
        self.rate_limiter = MemoryRateLimiter(self.monotonic)
        self.rate_limits = IdentityRateLimits(
            rate_limiter=self.rate_limiter, key=b"the rate limits' key", audit=self.audit, attempts_per_hour=10
        )
        self.revocations = RevocationList(uow=uow, monotonic=self.monotonic)
        self.directory: AccountDirectory = FakeAccountDirectory(FakeDatabase(), PLANS, now=lambda: self.now)
        self.api_keys = KnownApiKeys(uow)
        self.access_tokens = JwtAccessTokens(["a secret of at least thirty-two bytes"], life=timedelta(minutes=15))
        self.code_policy = CodePolicy()
        self.mobile_numbers = PhoneNumbers()
        self.human_checks: HumanChecks | None = None
        self.human_token: str | None = None
        self.usage_counts_for_month = False
        self.keys = [b"the key of this test"]
        self.client = Client("192.0.2.1", "192.0.2.0/24")
        self.session_max_age = SESSION_MAX_AGE
        self.webhooks = Webhooks()
        self.user_agent: str | None = "a test"
        self._count = itertools.count(1)

    @property
    def ports(self) -> AccountsPorts:
        return AccountsPorts(
            uow=self.uow,
            passwords=self.passwords,
            password_rules=self.password_rules,
            mobile_numbers=self.mobile_numbers,
            access_tokens=self.access_tokens,
            api_keys=self.api_keys,
            revocations=self.revocations,
            directory=self.directory,
            rate_limits=self.rate_limits,
            audit=self.audit,
            code_delivery=self.code_delivery,
            code_policy=self.code_policy,
            human_checks=self.human_checks,
            code_keys=self.keys,
            refresh_keys=self.keys,
            usage_keys=self.keys,
            usage_counts_for_month=self.usage_counts_for_month,
            session_life=SESSION_LIFE,
            session_max_age=self.session_max_age,
            webhooks=self.webhooks,
            now=lambda: self.now,
            new_id=self.new_id,
            new_code=self.new_code,
            new_token=self.new_token,
        )

    def monotonic(self) -> float:
        return self.now.timestamp()

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)

    def new_id(self) -> UUID:
        return UUID(int=next(self._count))

    def new_token(self) -> str:
        return f"token-{next(self._count)}"

    def new_code(self) -> str:
        return f"{next(self._count):06}"

    async def request_code(self, identity: Identity = MIRA, purpose: Purpose = Purpose.SIGN_IN) -> CodeSent:
        """Request a code, whose delivery is then queued."""
        return await send_code(
            self.ports, identity=identity, purpose=purpose, client=self.client, human_token=self.human_token
        )

    async def deliver_codes(self) -> None:
        """Do the queued deliveries, as a worker does."""
        queued, self.queue.ids = self.queue.ids, []
        for delivery_id in queued:
            await deliver_code(self.ports, delivery_id)

    async def send(self, identity: Identity = MIRA, purpose: Purpose = Purpose.SIGN_IN) -> str:
        """Request and deliver a code; returns it."""
        await self.request_code(identity, purpose)
        await self.deliver_codes()
        return self.sender.sent[-1][1]

    async def verify(
        self,
        code: str,
        identity: Identity = MIRA,
        *,
        signup_token: str | None = None,
        challenge: str | None = None,
    ) -> SignedIn:
        return await sign_in_by_code(
            self.ports,
            identity=identity,
            code=code,
            challenge=challenge,
            signup_token=signup_token,
            user_agent=self.user_agent,
            client=self.client,
        )

    async def sign_in(self, identity: Identity = MIRA, *, signup_token: str | None = None) -> SignedIn:
        """Send a code and sign in with it."""
        return await self.verify(await self.send(identity), identity, signup_token=signup_token)

    async def sign_up(
        self, identity: Identity = MIRA, *, name: str | None = "Mira", password: str | None = PASSWORD
    ) -> str:
        """Sign up; returns the signup token."""
        started = await sign_up(
            self.ports,
            identity=identity,
            name=name,
            password=password,
            client=self.client,
            human_token=self.human_token,
        )
        return started.signup_token

    async def log_in(self, password: str = PASSWORD, identity: Identity = MIRA) -> SignedIn:
        return await log_in(
            self.ports, identity=identity, password=password, user_agent=self.user_agent, client=self.client
        )

    async def refresh(self, refresh_token: str) -> TokenPair:
        return await refresh_session(self.ports, refresh_token=refresh_token)

    async def reset(self, code: str, new_password: str, identity: Identity = MIRA) -> None:
        await reset_password(
            self.ports,
            identity=identity,
            code=code,
            challenge=None,
            new_password=new_password,
            client=self.client,
        )

    async def change(self, signed_in: TokenPair, new_password: str, *, current: str | None = None) -> None:
        await change_password(
            self.ports, caller=self.caller(signed_in), current_password=current, new_password=new_password
        )

    async def end(self, caller: Caller, session_id: UUID | None = None) -> None:
        """End the given session of the caller's account, by default the caller's own."""
        await end_session(self.ports, account_id=caller.account_id, session_id=session_id or caller.session_id)

    def caller(self, signed_in: TokenPair) -> Caller:
        return self.access_tokens.read(signed_in.access_token, self.now)

    async def account(self, identity: Identity = MIRA) -> Account | None:
        return await find_account(self.ports, identity)


async def outcomes(calls: Iterable[Awaitable[object]]) -> tuple[list[object], list[BaseException]]:
    """Run the calls concurrently; returns their results and their exceptions."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    raised = [outcome for outcome in done if isinstance(outcome, BaseException)]
    return [outcome for outcome in done if not isinstance(outcome, BaseException)], raised


def wrong_code(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"
