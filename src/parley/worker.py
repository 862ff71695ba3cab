"""The entry for workers: `taskiq worker parley.worker:broker`, set by the environment."""

import sys
from typing import TYPE_CHECKING

from parley.kept import kept_for_good
from parley.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from taskiq import AsyncBroker


def worker_broker() -> "AsyncBroker":
    """Raises SettingsError without Redis."""
    from parley.adapters.worker.taskiq_worker import serve  # noqa: PLC0415  kept for good with the rest
    from parley.bootstrap import bootstrap  # noqa: PLC0415
    from parley.logs import configure_logs  # noqa: PLC0415

    settings = read_settings()
    configure_logs(form=settings.log_format, level=settings.log_level)
    parley = bootstrap(settings)
    if parley.wire.broker is None:
        raise SettingsError("REDIS_URL: is not set; without Redis the worker runs inside «parley run».")
    serve(parley.wire.broker, parley.tasks, background=parley.working)
    return parley.wire.broker


try:
    with kept_for_good():
        broker = worker_broker()
except SettingsError as error:
    sys.exit(f"parley: {error}")
