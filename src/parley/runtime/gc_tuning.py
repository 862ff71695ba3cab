"""Tuning Python's garbage collector for a process with many open streams.

Almost no garbage of parley is in cycles, and that garbage is young. So collections are small, and what has survived two
of them is collected only while few streams would have to wait for it.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from parley.core.tasks import cancel_and_wait

# Python's defaults are 700, 10 and 10. A stream has about 200 objects, and a collection visits those that are new:
# 5,000 take some milliseconds. After three of these another one visits what they left. The third number turns full
# collections off: with a thousand streams one takes 0.1 s, and up to 0.4 s on a busy machine.
THRESHOLDS = (5_000, 2, 2**31 - 1)
CHECK_SECONDS = 10.0
# A stream has two tasks in an API process and six in a worker.
FEW_TASKS = 200
LONGEST_SECONDS = 900.0


@contextmanager
def tuned_garbage_collection() -> Generator[None, None, None]:
    """Exclude the objects that are made inside this block from garbage collection for good, and tune it afterwards.

    Importing and wiring parley makes about 400,000 objects, which live as long as the process. A full collection that
    visits them stops every stream for a tenth of a second. From then on the process needs `full_collections`.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.enable()


@asynccontextmanager
async def full_collections(sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncGenerator[None, None]:
    """Collects old garbage while the context is open: when few tasks are open, and LONGEST_SECONDS after the last time.

    Looks every CHECK_SECONDS, by `sleep`, and does nothing where nothing became old since.
    """
    collecting = asyncio.create_task(_collect(sleep))
    try:
        yield
    finally:
        await cancel_and_wait(collecting)


async def _collect(sleep: Callable[[float], Awaitable[None]]) -> None:
    waited = 0.0
    while True:
        await sleep(CHECK_SECONDS)
        waited += CHECK_SECONDS
        _, _, collections_of_middle = gc.get_count()
        if collections_of_middle and (waited >= LONGEST_SECONDS or len(asyncio.all_tasks()) <= FEW_TASKS):
            gc.collect()
            waited = 0.0
