"""Circuit breakers."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from parley.core.chat.circuit_breaker import (
    FAILURES_IN_A_ROW,
    LONGEST_RETRY_AFTER,
    CircuitBreaker,
    CircuitBreakers,
    CircuitState,
)

TRIAL, ANOTHER = UUID(int=1), UUID(int=2)


@dataclass
class Observed:
    now: float = 1_000.0
    jitter: float = 0.0
    changes: list[CircuitState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker(clock=lambda: self.now, jitter=lambda: self.jitter, on_change=self.changes.append)

    def fail(self, times: int = FAILURES_IN_A_ROW, retry_after: float | None = None) -> None:
        for _ in range(times):
            self.breaker.failed(retry_after)

    def open_for(self, *, most: int = 1_000) -> int:
        """The whole seconds until a trial is allowed, which begins then."""
        for seconds in range(most):
            if self.breaker.allows(TRIAL):
                return seconds
            self.now += 1
        raise AssertionError("never allowed")


@pytest.fixture
def observed() -> Observed:
    return Observed()


def test_it_opens_after_failures_in_a_row(observed):
    observed.fail(FAILURES_IN_A_ROW - 1)
    observed.breaker.succeeded()
    observed.fail(FAILURES_IN_A_ROW - 1)
    assert observed.breaker.allows(TRIAL)
    observed.fail(1)
    assert not observed.breaker.allows(TRIAL)
    assert observed.changes == [CircuitState.OPEN]


def test_one_trial_at_a_time_decides(observed):
    observed.fail()
    assert observed.open_for() == 10
    assert not observed.breaker.allows(TRIAL)
    observed.breaker.succeeded()
    assert observed.breaker.allows(TRIAL)
    assert observed.changes == [CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED]


def test_failed_trials_wait_longer_up_to_a_minute_and_a_success_starts_anew(observed):
    observed.fail()
    waits = []
    for _ in range(5):
        waits.append(observed.open_for())
        observed.fail(1)
    assert waits == [10, 20, 40, 60, 60]
    observed.open_for()
    observed.breaker.succeeded()
    observed.fail()
    assert observed.open_for() == 10


@pytest.mark.parametrize(("asked_for", "waited"), [(3.0, 3), (45.0, 45), (1e9, LONGEST_RETRY_AFTER)])
def test_the_pause_that_the_provider_asks_for_is_used(observed, asked_for, waited):
    observed.fail(retry_after=asked_for)
    assert observed.open_for() == waited


def test_waits_are_spread(observed):
    observed.jitter = 1.0
    observed.fail()
    assert observed.open_for() == 13


def test_first_text_ends_a_trial_but_not_a_row_of_failures(observed):
    for _ in range(FAILURES_IN_A_ROW):
        observed.breaker.answering()
        observed.fail(1)
    assert observed.breaker.state is CircuitState.OPEN
    observed.open_for()
    observed.breaker.answering()
    assert observed.breaker.allows(TRIAL)


def test_an_abandoned_trial_makes_room_for_the_next(observed):
    observed.fail()
    observed.open_for()
    observed.breaker.abandoned(TRIAL)
    assert observed.breaker.allows(TRIAL)
    assert not observed.breaker.allows(TRIAL)


def test_only_the_trial_itself_ends_by_being_abandoned(observed):
    observed.fail()
    observed.open_for()
    observed.breaker.abandoned(ANOTHER)
    assert not observed.breaker.allows(ANOTHER)
    observed.fail(1, retry_after=45.0)
    assert observed.open_for() == 45


def test_late_failures_of_replies_that_began_before_do_not_prolong_it(observed):
    observed.fail(FAILURES_IN_A_ROW + 20)
    assert observed.open_for() == 10


def test_each_model_has_a_breaker_of_its_own_that_names_it():
    changes = []
    breakers = CircuitBreakers(
        clock=lambda: 0.0, jitter=lambda: 0.0, on_change=lambda model, state: changes.append((model, state))
    )
    for _ in range(FAILURES_IN_A_ROW):
        breakers.of("vendor/a").failed(None)
    assert not breakers.of("vendor/a").allows(TRIAL)
    assert breakers.of("vendor/b").allows(TRIAL)
    assert changes == [("vendor/a", CircuitState.OPEN)]
