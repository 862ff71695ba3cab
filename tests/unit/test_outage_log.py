"""An outage is a state in the log: one line when it begins, one when it ends."""

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from parley.runtime.outage_log import SETTLED_SECONDS, OutageLog


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def outage(clock: Monotonic) -> OutageLog:
    return OutageLog("database", monotonic=clock)


def test_outage_is_logged_at_its_begin_and_at_its_end(clock: Monotonic, outage: OutageLog) -> None:
    with capture_logs() as lines:
        outage.succeeded()
        for _ in range(60):
            outage.failed("is shutting down")
            clock.seconds += 1
        assert outage.is_unavailable
        outage.succeeded()
        clock.seconds += SETTLED_SECONDS
        for _ in range(3):
            outage.succeeded()
        assert not outage.is_unavailable
    assert lines == [
        {"event": "outage_began", "log_level": "warning", "part": "database", "cause": "is shutting down"},
        {"event": "outage_ended", "log_level": "info", "part": "database", "seconds": 60.0, "failures": 60},
    ]


def test_each_further_cause_of_an_outage_is_logged_once(clock: Monotonic, outage: OutageLog) -> None:
    with capture_logs() as lines:
        for _ in range(5):
            outage.failed("is shutting down")
            outage.failed("refuses connections")
    assert [(line["event"], line["cause"]) for line in lines] == [
        ("outage_began", "is shutting down"),
        ("outage_goes_on", "refuses connections"),
    ]


def test_successes_among_failures_do_not_end_an_outage(clock: Monotonic, outage: OutageLog) -> None:
    with capture_logs() as lines:
        for _ in range(10):
            outage.failed("refuses connections")
            clock.seconds += SETTLED_SECONDS / 2
            outage.succeeded()
        clock.seconds += SETTLED_SECONDS
        outage.succeeded()
    assert [line["event"] for line in lines] == ["outage_began", "outage_ended"]
    assert lines[-1]["failures"] == 10


def test_next_outage_is_counted_by_itself(clock: Monotonic, outage: OutageLog) -> None:
    with capture_logs() as lines:
        for _ in range(2):
            outage.failed("refuses connections")
            clock.seconds += 5
            outage.succeeded()
    assert [line["event"] for line in lines] == ["outage_began", "outage_ended"] * 2
    assert lines[-1]["failures"] == 1


def test_outage_is_not_that_of_the_request_which_noticed_it(outage: OutageLog) -> None:
    with bound_contextvars(request_id="a"), capture_logs(processors=[merge_contextvars]) as lines:
        outage.failed("refuses connections")
    assert "request_id" not in lines[0]
