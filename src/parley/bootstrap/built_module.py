"""What the builder of each core module returns."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from parley.adapters.worker.log_context import Work
from parley.adapters.worker.sweeper import Sweep

Ports = TypeVar("Ports")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker does with one id; `id_name` is what logs and traces call that id."""

    id_name: str
    work: Work


@dataclass(frozen=True, kw_only=True)
class Module(Generic[Ports]):
    """The ports of a core module, and what processes run and close for it.

    `api_sweeps` run in every API process, `worker_sweeps` in every worker. `on_api_shutdown` and `on_worker_shutdown`
    are called on a shutdown signal, before the server waits for open streams and running tasks.
    """

    ports: Ports
    tasks: Mapping[str, Task]
    api_sweeps: tuple[Sweep, ...] = ()
    worker_sweeps: tuple[Sweep, ...] = ()
    on_api_shutdown: tuple[Callable[[], None], ...] = ()
    on_worker_shutdown: tuple[Callable[[], None], ...] = ()
    close: tuple[Callable[[], Awaitable[None]], ...] = ()
