import asyncio

import pytest

from parley.adapters.response_otp import ResponseOtp
from parley.core.accounts.codes import CodePolicy, CodeSent, send_code
from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.model import CODE_TRIES, Identity, Purpose
from parley.core.errors import TooManyRequests
from tests.unit.accounts.desk import MIRA, RAVI, Desk, Outbox


async def _send(desk: Desk, **changes) -> CodeSent:
    arguments = {
        "uow": desk.uow,
        "throttle": desk.throttle,
        "sender": desk.outbox,
        "policy": desk.policy,
        "keys": desk.keys,
        "identity": MIRA,
        "purpose": Purpose.SIGN_IN,
        "new_code": lambda: "123456",
        "now": desk.now,
    }
    return await send_code(**(arguments | changes))


async def test_code_goes_to_the_sender_and_not_into_the_answer(desk):
    sent = await _send(desk, policy=CodePolicy(expire_seconds=300, resend_seconds=30))

    assert sent == CodeSent(expires_in=300, resend_in=30, shown_code=None)
    assert desk.outbox.sent == [(MIRA, "123456", Purpose.SIGN_IN)]


async def test_response_otp_lets_the_answer_show_the_code(desk):
    sent = await _send(desk, sender=ResponseOtp())

    assert sent.shown_code == "123456"
    assert "123456" not in repr(sent)


async def test_known_identity_gets_the_same_answer_as_an_unknown_one(desk):
    await desk.sign_in(MIRA)
    desk.later(minutes=2)

    assert await _send(desk, identity=MIRA) == await _send(desk, identity=RAVI)


async def test_code_is_stored_and_no_unit_of_work_open_when_it_is_sent(desk):
    class Looking(Outbox):
        stored: bytes | None = None

        async def send(self, identity: Identity, code: str, purpose: Purpose) -> str | None:
            # An open unit of work would keep this one waiting for ever.
            async with asyncio.timeout(5), desk.uow() as unit:
                self.stored = await unit.challenges.count_try(identity, purpose, limit=CODE_TRIES, now=desk.now)
            return await super().send(identity, code, purpose)

    sender = Looking()
    await _send(desk, sender=sender)

    assert sender.stored is not None
    assert len(sender.sent) == 1


async def test_second_code_waits_for_the_resend_time_and_the_first_stays_good(desk):
    code = await desk.send()
    desk.later(seconds=20)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.send()

    assert refusal.value.retry_after == 40
    assert len(desk.outbox.sent) == 1
    assert (await desk.verify(code)).created


async def test_second_code_voids_the_first(desk):
    first = await desk.send()
    desk.later(seconds=60)
    second = await desk.send()

    with pytest.raises(OtpInvalid):
        await desk.verify(first)
    assert (await desk.verify(second)).created


async def test_sixth_code_of_an_hour_waits_until_the_first_is_an_hour_old(desk):
    for _ in range(5):
        await desk.send()
        desk.later(minutes=5)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.send()
    assert refusal.value.retry_after == 35 * 60

    desk.later(seconds=refusal.value.retry_after)
    await desk.send()
    assert len(desk.outbox.sent) == 6


async def test_refusal_by_the_hour_names_a_wait_after_which_the_resend_time_is_over_too(desk):
    for _ in range(5):
        await desk.send()
        desk.later(seconds=60)
    desk.later(seconds=3300 - 10)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.send()
    assert refusal.value.retry_after == 60

    desk.later(seconds=60)
    await desk.send()


async def test_refused_send_does_not_count_against_the_hour(desk):
    for _ in range(5):
        await desk.send()
        for _ in range(3):
            with pytest.raises(TooManyRequests):
                await desk.send()
        desk.later(seconds=60)

    assert len(desk.outbox.sent) == 5


async def test_purposes_share_the_throttle_of_their_identity(desk):
    await desk.send(MIRA, Purpose.SIGN_IN)

    with pytest.raises(TooManyRequests):
        await desk.send(MIRA, Purpose.RESET)


async def test_identities_do_not_wait_for_each_other(desk):
    await desk.send(MIRA)
    await desk.send(RAVI)

    assert [identity for identity, _, _ in desk.outbox.sent] == [MIRA, RAVI]


async def test_without_a_resend_time_codes_may_follow_at_once(desk):
    desk.policy = CodePolicy(resend_seconds=0)

    await desk.send()
    await desk.send()

    assert len(desk.outbox.sent) == 2


async def test_throttle_is_not_told_the_identity(desk):
    class Noting:
        def __init__(self) -> None:
            self.keys: list[str] = []

        async def take(self, key: str, **_limit: float) -> float:
            self.keys.append(key)
            return 0.0

    noting = Noting()
    await _send(desk, throttle=noting)

    assert len(set(noting.keys)) == 2
    assert not [key for key in noting.keys if "mira" in key or "example" in key]
