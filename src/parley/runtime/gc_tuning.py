"""Objects that live as long as their process."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

# Python's own are 700, 10 and 10. A thousand open streams hold so many objects that a full collection takes half a
# second; what is garbage in cycles is little and young.
THRESHOLDS = (20_000, 20, 50)


@contextmanager
def tuned_garbage_collection() -> Generator[None, None, None]:
    """The garbage collector never looks at what is imported and wired in here.

    There are some 400,000 objects; a full collection that visits them stops every stream for a tenth of a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.enable()
