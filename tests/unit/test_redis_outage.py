"""An outage of Redis in the log: one line when it begins, one when it ends."""

import pytest
from structlog.testing import capture_logs

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import RedisMeter
from parley.adapters.redis.client.faults import Cause, Fault
from parley.adapters.redis.client.outage import QUIET_SECONDS, RedisOutage

AWAY = Fault(Cause.UNREACHABLE, "ConnectionError")
REPLICA = Fault(Cause.READ_ONLY, "READONLY")


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def outage(seconds, metrics) -> RedisOutage:
    return RedisOutage(RedisMeter(metrics), monotonic=seconds)


def test_however_much_fails_there_are_two_lines(outage, seconds):
    with capture_logs() as lines:
        for fault in (AWAY, AWAY, REPLICA) * 100:
            outage.failed(fault)
            outage.hint_lost()
            seconds.now += 0.1
        seconds.now += QUIET_SECONDS
        outage.passed()
    begun, ended = lines
    assert (begun["event"], begun["cause"], begun["code"]) == ("redis_outage", "unreachable", "ConnectionError")
    assert begun["detail"] == f"Redis {AWAY}"
    assert ended == {
        "event": "redis_outage_ended",
        "log_level": "info",
        "seconds": 33.0,
        "failures": 300,
        "causes": ["read_only", "unreachable"],
        "not_queued": 300,
    }


def test_an_outage_lasts_until_nothing_has_failed_for_a_while(outage, seconds):
    outage.failed(AWAY)
    for _ in range(3):
        seconds.now += QUIET_SECONDS - 0.1
        outage.passed()
        assert outage.lasts
        outage.failed(REPLICA)
    seconds.now += QUIET_SECONDS
    assert outage.lasts
    outage.passed()
    assert not outage.lasts


def test_the_next_outage_is_counted_anew(outage, seconds):
    for _ in range(2):
        with capture_logs() as lines:
            outage.failed(AWAY)
            seconds.now += QUIET_SECONDS
            outage.passed()
        assert [line["event"] for line in lines] == ["redis_outage", "redis_outage_ended"]
        assert lines[1]["failures"] == 1


def test_metrics_show_the_outage_and_its_failures(outage, seconds, metrics):
    value = metrics.registry.get_sample_value
    assert value("parley_redis_outage") == 0
    outage.failed(REPLICA)
    outage.failed(REPLICA)
    outage.hint_lost()
    assert value("parley_redis_outage") == 1
    assert value("parley_redis_failures_total", {"code": "READONLY"}) == 2
    assert value("parley_queue_hints_lost_total") == 1
    seconds.now += QUIET_SECONDS
    outage.passed()
    assert value("parley_redis_outage") == 0
