"""Pauses in sending to an endpoint that fails."""

import pytest

from parley.core.webhooks.circuit import (
    FAILURES_IN_A_ROW,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_REQUESTED_SECONDS,
    Circuit,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(clock=clock)


def pause(circuit: Circuit) -> float | None:
    """Fail as often as a first pause takes; returns its seconds."""
    return [circuit.failed() for _ in range(FAILURES_IN_A_ROW)][-1]


def test_failures_between_successes_begin_no_pause(circuit):
    for _ in range(10):
        assert [circuit.failed() for _ in range(FAILURES_IN_A_ROW - 1)] == [None] * (FAILURES_IN_A_ROW - 1)
        assert not circuit.succeeded()
    assert circuit.allowed(20) == 20


def test_failures_in_a_row_begin_a_pause_which_ends_with_a_success(circuit, clock):
    assert pause(circuit) == FIRST_PAUSE_SECONDS
    assert circuit.allowed(20) == 0
    # Attempts that began before the pause.
    assert circuit.failed() is None
    clock.now += FIRST_PAUSE_SECONDS
    assert circuit.allowed(20) == 1
    assert circuit.succeeded()
    assert circuit.allowed(20) == 20


def test_each_pause_is_twice_as_long_up_to_the_longest(circuit, clock):
    seconds = pause(circuit)
    seen = [seconds]
    for _ in range(8):
        clock.now += seconds
        seconds = circuit.failed()
        seen.append(seconds)
    assert seen == [min(FIRST_PAUSE_SECONDS * 2**n, LONGEST_PAUSE_SECONDS) for n in range(9)]
    clock.now += seconds
    circuit.succeeded()
    assert pause(circuit) == FIRST_PAUSE_SECONDS


@pytest.mark.parametrize(("requested", "granted"), [(0.0, 0.0), (120.0, 120.0), (1e9, LONGEST_REQUESTED_SECONDS)])
def test_a_pause_that_is_asked_for_begins_at_once(circuit, clock, requested, granted):
    assert circuit.failed(requested) == granted
    clock.now += granted
    assert circuit.allowed(20) == 1
