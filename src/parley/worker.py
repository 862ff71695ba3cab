"""The broker for workers, `taskiq worker parley.worker:broker`, with settings from the environment."""

from functools import partial
from typing import TYPE_CHECKING

from parley.runtime.gc_tuning import tuned_garbage_collection
from parley.runtime.settings_errors import exit_on_settings_error
from parley.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from taskiq import AsyncBroker


def worker_broker() -> "AsyncBroker":
    """Raises SettingsError without Redis."""
    from parley.adapters.worker.taskiq_worker import serve  # noqa: PLC0415  imported inside tuned_garbage_collection
    from parley.bootstrap import bootstrap  # noqa: PLC0415
    from parley.bootstrap.processes import worker_process  # noqa: PLC0415
    from parley.runtime.logging import configure_logs  # noqa: PLC0415

    settings = read_settings()
    configure_logs(form=settings.log_format, level=settings.log_level)
    parley = bootstrap(settings, is_worker=True)
    if parley.transport.broker is None:
        raise SettingsError("REDIS_URL: is not set; without Redis the worker runs inside «parley run».")
    serve(parley.transport.broker, parley.tasks, background=partial(worker_process, parley))
    return parley.transport.broker


with exit_on_settings_error(), tuned_garbage_collection():
    broker = worker_broker()
