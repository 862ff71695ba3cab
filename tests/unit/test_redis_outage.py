"""An outage of Redis as a state, its lines in the log and its metrics."""

import pytest
from structlog.testing import capture_logs

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import RedisMeter
from parley.adapters.redis.client.faults import Cause, Fault
from parley.adapters.redis.client.outage import QUIET_SECONDS, RedisOutage
from parley.runtime.outage_log import OutageLog

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
    return RedisOutage(OutageLog("redis", monotonic=seconds), RedisMeter(metrics), monotonic=seconds)


def test_however_much_fails_there_is_a_line_for_each_cause_and_one_for_the_end(outage, seconds):
    with capture_logs() as lines:
        for fault in (AWAY, AWAY, REPLICA) * 100:
            outage.failed(fault)
            seconds.now += 0.1
        for _ in range(2):
            seconds.now += QUIET_SECONDS
            outage.passed()
    assert [(line["event"], line["part"]) for line in lines] == [
        ("outage_began", "redis"),
        ("outage_goes_on", "redis"),
        ("outage_ended", "redis"),
    ]
    assert [line["cause"] for line in lines[:2]] == [f"Redis {AWAY}", f"Redis {REPLICA}"]
    assert lines[2]["failures"] == 300


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
