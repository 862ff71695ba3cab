"""The entry for workers: `taskiq worker parley.worker:broker`, set by the environment."""

import sys
from typing import TYPE_CHECKING

from parley.adapters.worker.taskiq_worker import serve
from parley.bootstrap import bootstrap
from parley.logs import configure_logs
from parley.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from taskiq import AsyncBroker


def worker_broker() -> "AsyncBroker":
    """Raises SettingsError without Redis."""
    settings = read_settings()
    configure_logs(form=settings.log_format, level=settings.log_level)
    parley = bootstrap(settings)
    if parley.wire.broker is None:
        raise SettingsError("REDIS_URL: is not set; without Redis the worker runs inside «parley run».")
    serve(parley.wire.broker, parley.tasks, background=parley.working)
    return parley.wire.broker


try:
    broker = worker_broker()
except SettingsError as error:
    sys.exit(f"parley: {error}")
