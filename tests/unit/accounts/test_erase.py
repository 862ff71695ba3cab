from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, RefreshTokenInvalid, TokenInvalid
from parley.core.accounts.model import AuditEvent, Purpose, SignedIn, token_hash
from parley.core.accounts.profile import read_account
from parley.core.errors import InvalidInput
from tests.unit.accounts.desk import MIRA, RAVI, Desk


class Asked:
    """Units of work whose accounts and belongings note in what order they are asked. With an `error` they fail."""

    def __init__(self, uow) -> None:
        self._uow = uow
        self.error: Exception | None = None
        self.asked: list[str] = []

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False):
        async with self._uow(read_only=read_only) as unit:
            unit.account_erasure = self
            unit.accounts.lock = self._noted("lock the account", unit.accounts.lock)
            unit.accounts.remove = self._noted("remove the account", unit.accounts.remove)
            yield unit

    def _noted(self, name: str, step):
        async def noted(account_id: UUID):
            self.asked.append(name)
            return await step(account_id)

        return noted

    async def lock(self, _account_id: UUID) -> None:
        self.asked.append("lock belongings")

    async def erase(self, _account_id: UUID) -> None:
        self.asked.append("erase belongings")
        if self.error:
            raise self.error


@pytest.fixture
async def owned(desk: Desk) -> SignedIn:
    """A session just opened. The list of what ended is fresh."""
    await desk.revocations.refresh(desk.now)
    return await desk.sign_in(signup_token=await desk.sign_up())


async def erase(desk: Desk, signed_in: SignedIn) -> None:
    await erase_account(
        uow=desk.uow, revocations=desk.revocations, audit=desk.audit, account_id=signed_in.account.id, now=desk.now
    )


async def test_account_is_gone_with_its_sessions_and_their_tokens(desk, owned):
    other, caller = await desk.log_in(), desk.caller(owned)
    await erase(desk, owned)

    assert await desk.account() is None
    with pytest.raises(TokenInvalid):
        await read_account(uow=desk.uow, account_id=owned.account.id)
    with pytest.raises(CredentialsInvalid):
        await desk.log_in()
    for pair in (owned, other):
        with pytest.raises(RefreshTokenInvalid):
            await desk.refresh(pair.refresh_token)
    async with desk.uow(read_only=True) as unit:
        assert await unit.sessions.get(caller.session_id) is None
        assert await unit.sessions.token(token_hash(owned.refresh_token)) is None


async def test_access_tokens_of_every_session_are_revoked(desk, owned):
    other = await desk.log_in()
    await erase(desk, owned)

    for pair in (owned, other):
        with pytest.raises(TokenInvalid):
            await desk.revocations.check(desk.caller(pair).session_id)
        async with desk.uow(read_only=True) as unit:
            assert await unit.revocations.has(desk.caller(pair).session_id)


@pytest.mark.parametrize("purpose", Purpose)
async def test_codes_that_were_sent_are_worth_nothing(desk, owned, purpose):
    desk.later(minutes=2)
    code = await desk.send(MIRA, purpose)
    await erase(desk, owned)

    with pytest.raises(OtpInvalid):
        await (desk.verify(code) if purpose is Purpose.SIGN_IN else desk.reset(code, "the new password of Mira"))
    assert await desk.account() is None


@pytest.mark.parametrize("purpose", Purpose)
async def test_code_on_its_way_is_not_sent(desk, owned, purpose):
    desk.later(minutes=2)
    await desk.ask(MIRA, purpose)
    await erase(desk, owned)
    await desk.deliver()

    assert len(desk.outbox.sent) == 1
    async with desk.uow(read_only=True) as unit:
        assert await unit.deliveries.overdue(seconds=0, limit=9) == []


async def test_signups_are_gone(desk, owned):
    desk.later(minutes=2)
    signup_token = await desk.sign_up(name="Mallory")
    await erase(desk, owned)

    with pytest.raises(InvalidInput):
        await desk.sign_in(signup_token=signup_token)


async def test_identity_is_free_again(desk, owned):
    await erase(desk, owned)
    desk.later(minutes=2)
    again = await desk.sign_in()

    assert again.created
    assert again.account.id != owned.account.id
    assert (again.account.name, again.account.password_hash) == (None, None)
    assert await desk.refresh(again.refresh_token)


async def test_other_accounts_keep_all_they_have(desk, owned):
    ravi = await desk.sign_in(RAVI)
    desk.later(minutes=2)
    code = await desk.send(RAVI)
    signup_token = await desk.sign_up(RAVI)
    await desk.ask(RAVI, Purpose.RESET)
    await erase(desk, owned)
    await desk.deliver()

    assert desk.outbox.sent[-1][0] == RAVI
    assert await desk.account(RAVI) == ravi.account
    await desk.revocations.check(desk.caller(ravi).session_id)
    assert await desk.refresh(ravi.refresh_token)
    assert await desk.verify(code, RAVI)
    async with desk.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is not None


async def test_second_erasure_finds_nothing(desk, owned):
    await erase(desk, owned)
    with pytest.raises(TokenInvalid):
        await erase(desk, owned)

    assert desk.audit.happenings.count(AuditEvent.ACCOUNT_ERASED) == 1


async def test_belongings_are_locked_before_the_account_and_go_before_it(desk, owned):
    desk.uow = asked = Asked(desk.uow)
    await erase(desk, owned)

    assert asked.asked == ["lock belongings", "lock the account", "erase belongings", "remove the account"]


async def test_nothing_goes_when_belongings_cannot(desk, owned):
    real = desk.uow
    desk.uow = asked = Asked(real)
    asked.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await erase(desk, owned)
    desk.uow = real

    assert await desk.account() == owned.account
    await desk.revocations.check(desk.caller(owned).session_id)
    assert await desk.refresh(owned.refresh_token)
    assert AuditEvent.ACCOUNT_ERASED not in desk.audit.happenings
