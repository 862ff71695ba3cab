"""Argon2id password hashes, at the costs of the library's defaults (RFC 9106, the low-memory profile)."""

import asyncio
import os
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from parley.core.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

# A hash takes 64 MiB, so the number of threads bounds the memory; it also leaves cores to requests.
THREADS = 2
NICENESS = 10
# Work that would wait for longer is refused, so that a burst of logins delays nobody for longer.
LONGEST_WAIT_SECONDS = 3.0


class Argon2Passwords:
    """The `Passwords` port, in its own threads. Call `close` when no call is running.

    A call that would wait for more than `longest_wait` seconds is refused: at once, if the calls that wait before it
    already take so long. Work begins in the order of the calls. It waits in tasks and not in the executor: a call that
    is cancelled, because its client has left, costs nothing. `hasher` has other costs than the defaults.
    """

    def __init__(
        self,
        *,
        threads: int = THREADS,
        longest_wait: float = LONGEST_WAIT_SECONDS,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._threads = threads
        self._free_threads = asyncio.Semaphore(threads)
        self._longest_wait = longest_wait
        self._waiting = 0
        self._usual_seconds = 0.0
        self._hasher = hasher or PasswordHasher()
        self._decoy = decoy_hash(self._hasher)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_lower_priority)

    async def hash(self, password: str) -> str:
        return await self._run(self._hasher.hash, _bytes(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        matches = await self._run(self._matches, password_hash or self._decoy, _bytes(password))
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """Raises Overloaded."""
        if self._waiting * self._usual_seconds / self._threads > self._longest_wait:
            raise Overloaded(self._longest_wait)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._longest_wait):
                await self._free_threads.acquire()
        except TimeoutError as error:
            raise Overloaded(self._longest_wait) from error
        finally:
            self._waiting -= 1
        # A cancellation does not free the thread: the work goes on.
        return await asyncio.shield(self._in_thread(partial(work, *arguments, **keywords)))

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        started = perf_counter()

        def ended(_: object) -> None:
            self._free_threads.release()
            self._usual_seconds += (perf_counter() - started - self._usual_seconds) / 8

        running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        running.add_done_callback(ended)
        return running

    def _matches(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False


def _lower_priority() -> None:
    """Give the event loop's thread priority, so that a burst of logins does not slow down other requests."""
    if sys.platform == "linux":
        # On Linux each thread has a priority, which the threads that argon2 starts inherit.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def decoy_hash(hasher: PasswordHasher) -> str:
    """A hash that no known password matches and that takes as much work to verify as the hasher's own."""
    salt, digest = (b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


def _bytes(password: str) -> bytes:
    # A login may contain anything: an unpaired surrogate is a wrong password, not an error.
    return password.encode("utf-8", "surrogatepass")
