"""The number of requests of one account in a minute."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.core.accounts.model import AuditEvent
from parley.core.accounts.request_limit import OWN_PART, RequestLimit
from parley.core.errors import TooManyRequests, Unavailable
from parley.core.ports import LimitedUse, RateLimiter
from tests.fakes.account_ports import AuditNote, FakeAuditTrail

MIRA, RAVI = UUID(int=1), UUID(int=2)
LIMIT = 3 * OWN_PART


class LostRateLimiter(MemoryRateLimiter):
    """One that does not answer while it is `lost`."""

    lost = False

    async def take_all(self, *uses: LimitedUse) -> float:
        if self.lost:
            raise Unavailable
        return await super().take_all(*uses)


class Processes:
    """Processes that share a rate limiter, and the time."""

    def __init__(self) -> None:
        self.now = 1024.0
        self.shared = LostRateLimiter(lambda: self.now)
        self.audit = FakeAuditTrail()

    def process(self, limit: int, *, shared: RateLimiter | None = None) -> RequestLimit:
        local = MemoryRateLimiter(lambda: self.now)
        return RequestLimit(limit=limit, local=local, shared=shared or self.shared, audit=self.audit)


@pytest.fixture
def processes() -> Processes:
    return Processes()


async def taken(take: Callable[[UUID], Awaitable[None]], number: int, account_id: UUID = MIRA) -> int:
    """How many of so many parallel requests are not refused."""
    outcomes = await asyncio.gather(*(take(account_id) for _ in range(number)), return_exceptions=True)
    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(refusal, TooManyRequests) and 0 < refusal.retry_after <= 60 for refusal in refusals)
    return number - len(refusals)


@pytest.mark.parametrize("limit", [1, OWN_PART - 1, LIMIT, LIMIT + 7])
async def test_one_process_refuses_exactly_what_is_beyond_the_limit(processes: Processes, limit: int) -> None:
    process = processes.process(limit)
    assert await taken(process.take, limit + 5) == limit
    assert await taken(process.take, limit + 5, RAVI) == limit
    processes.now += 59
    assert await taken(process.take, 1) == 0
    processes.now += 1
    assert await taken(process.take, limit + 5) == limit


async def test_several_processes_share_the_limit(processes: Processes) -> None:
    small = [processes.process(OWN_PART - 1) for _ in range(3)]
    assert sum([await taken(process.take, OWN_PART) for process in small]) == OWN_PART - 1
    large = [processes.process(LIMIT) for _ in range(3)]
    passed = sum([await taken(process.take, LIMIT, RAVI) for process in large])
    assert passed == LIMIT + 2 * (LIMIT // OWN_PART)


async def test_an_ordinary_account_is_counted_without_the_shared_limiter(processes: Processes) -> None:
    processes.shared.lost = True
    process = processes.process(LIMIT, shared=processes.shared)
    assert await taken(process.take, LIMIT // OWN_PART) == LIMIT // OWN_PART


async def test_a_process_counts_by_itself_while_the_shared_limiter_is_lost(processes: Processes) -> None:
    process = processes.process(LIMIT)
    processes.shared.lost = True
    assert await taken(process.take, LIMIT + 5) == LIMIT


async def test_zero_is_no_limit(processes: Processes) -> None:
    assert await taken(processes.process(0).take, 1_000) == 1_000


async def test_a_refusal_is_in_the_audit_trail(processes: Processes) -> None:
    process = processes.process(1)
    await process.take(MIRA)
    assert processes.audit.notes == []
    with pytest.raises(TooManyRequests):
        await process.take(MIRA)
    assert processes.audit.notes == [AuditNote(AuditEvent.THROTTLED, account_id=MIRA, how="account")]
