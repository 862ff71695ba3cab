from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, RefreshTokenInvalid, TokenInvalid
from parley.core.accounts.model import AuditEvent, Purpose, SignedIn, token_hash
from parley.core.accounts.profile import read_account
from parley.core.errors import InvalidInput
from tests.unit.accounts.environment import MIRA, RAVI, AccountsEnvironment


class RecordingUnitOfWork:
    """Records the order of locks and erasures. The erasure of other modules' rows raises `error` if it is set."""

    def __init__(self, uow) -> None:
        self._uow = uow
        self.error: Exception | None = None
        self.steps: list[str] = []

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False):
        async with self._uow(read_only=read_only) as unit:
            unit.account_erasure = self
            unit.accounts.lock = self._recorded("lock the account", unit.accounts.lock)
            unit.accounts.remove = self._recorded("remove the account", unit.accounts.remove)
            yield unit

    def _recorded(self, name: str, step):
        async def recorded(account_id: UUID):
            self.steps.append(name)
            return await step(account_id)

        return recorded

    async def lock(self, _account_id: UUID) -> None:
        self.steps.append("lock other modules")

    async def erase(self, _account_id: UUID) -> None:
        self.steps.append("erase other modules")
        if self.error:
            raise self.error


@pytest.fixture
async def owned(env: AccountsEnvironment) -> SignedIn:
    """A new session. The revocation list is fresh."""
    await env.revocations.refresh(env.now)
    return await env.sign_in(signup_token=await env.sign_up())


async def erase(env: AccountsEnvironment, signed_in: SignedIn) -> None:
    await erase_account(env.ports, account_id=signed_in.account.id)


async def test_erasure_removes_the_account_with_its_sessions_and_their_tokens(env, owned):
    other, caller = await env.log_in(), env.caller(owned)
    await erase(env, owned)

    assert await env.account() is None
    with pytest.raises(TokenInvalid):
        await read_account(env.ports, account_id=owned.account.id)
    with pytest.raises(CredentialsInvalid):
        await env.log_in()
    for pair in (owned, other):
        with pytest.raises(RefreshTokenInvalid):
            await env.refresh(pair.refresh_token)
    async with env.uow(read_only=True) as unit:
        assert await unit.sessions.get(caller.session_id) is None
        assert await unit.sessions.token(token_hash(owned.refresh_token)) is None


async def test_access_tokens_of_every_session_are_revoked(env, owned):
    other = await env.log_in()
    await erase(env, owned)

    for pair in (owned, other):
        with pytest.raises(TokenInvalid):
            await env.revocations.check(env.caller(pair).session_id, env.caller(pair).account_id)
        async with env.uow(read_only=True) as unit:
            assert await unit.revocations.has(env.caller(pair).session_id)


@pytest.mark.parametrize("purpose", Purpose)
async def test_codes_that_were_sent_are_void(env, owned, purpose):
    env.advance(minutes=2)
    code = await env.send(MIRA, purpose)
    await erase(env, owned)

    with pytest.raises(OtpInvalid):
        await (env.verify(code) if purpose is Purpose.SIGN_IN else env.reset(code, "the new password of Mira"))
    assert await env.account() is None


@pytest.mark.parametrize("purpose", Purpose)
async def test_queued_code_is_not_sent(env, owned, purpose):
    env.advance(minutes=2)
    await env.request_code(MIRA, purpose)
    await erase(env, owned)
    await env.deliver_codes()

    assert len(env.sender.sent) == 1
    async with env.uow(read_only=True) as unit:
        assert await unit.deliveries.overdue(seconds=0, limit=9) == []


async def test_signups_are_removed(env, owned):
    env.advance(minutes=2)
    signup_token = await env.sign_up(name="Mallory")
    await erase(env, owned)

    with pytest.raises(InvalidInput):
        await env.sign_in(signup_token=signup_token)


async def test_identity_is_free_again(env, owned):
    await erase(env, owned)
    env.advance(minutes=2)
    again = await env.sign_in()

    assert again.created
    assert again.account.id != owned.account.id
    assert (again.account.name, again.account.password_hash) == (None, None)
    assert await env.refresh(again.refresh_token)


async def test_other_accounts_are_untouched(env, owned):
    ravi = await env.sign_in(RAVI)
    env.advance(minutes=2)
    code = await env.send(RAVI)
    signup_token = await env.sign_up(RAVI)
    await env.request_code(RAVI, Purpose.RESET)
    await erase(env, owned)
    await env.deliver_codes()

    assert env.sender.sent[-1][0] == RAVI
    assert await env.account(RAVI) == ravi.account
    await env.revocations.check(env.caller(ravi).session_id, env.caller(ravi).account_id)
    assert await env.refresh(ravi.refresh_token)
    assert await env.verify(code, RAVI)
    async with env.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is not None


async def test_second_erasure_is_refused(env, owned):
    await erase(env, owned)
    with pytest.raises(TokenInvalid):
        await erase(env, owned)

    assert env.audit.events.count(AuditEvent.ACCOUNT_ERASED) == 1


async def test_rows_of_other_modules_are_locked_and_erased_before_the_account(env, owned):
    env.uow = recording = RecordingUnitOfWork(env.uow)
    await erase(env, owned)

    assert recording.steps == ["lock other modules", "lock the account", "erase other modules", "remove the account"]


async def test_failed_erasure_of_other_modules_changes_nothing(env, owned):
    real = env.uow
    env.uow = recording = RecordingUnitOfWork(real)
    recording.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await erase(env, owned)
    env.uow = real

    assert await env.account() == owned.account
    await env.revocations.check(env.caller(owned).session_id, env.caller(owned).account_id)
    assert await env.refresh(owned.refresh_token)
    assert AuditEvent.ACCOUNT_ERASED not in env.audit.events
