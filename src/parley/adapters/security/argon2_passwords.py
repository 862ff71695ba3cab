"""Argon2id hashes of passwords, at the library's defaults (RFC 9106, the low-memory profile)."""

import asyncio
import os
import sys
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

# A hash takes 64 MiB: the number of threads bounds the memory, and leaves the other cores to requests.
THREADS = 2
NICENESS = 10


class Argon2Passwords:
    """Hashes in threads of its own. `close` it when no call is under way."""

    def __init__(self, *, threads: int = THREADS) -> None:
        self._hasher = PasswordHasher()
        self._decoy = decoy_hash(self._hasher)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_step_back)

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, _bytes(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        fits = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._fits, password_hash or self._decoy, _bytes(password)
        )
        return fits and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _fits(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False


def _step_back() -> None:
    """Let the event loop's thread go first: a burst of logins is to be slow, and not everybody else with it."""
    if sys.platform == "linux":
        # Threads have priorities of their own there, and those that argon2 starts inherit this one's.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def decoy_hash(hasher: PasswordHasher) -> str:
    """A hash that costs as much to verify as any that the hasher makes now. Nobody has found a password for it."""
    salt, digest = (b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


def _bytes(password: str) -> bytes:
    # At a login anything may come: an unpaired surrogate is a wrong password, not an error.
    return password.encode("utf-8", "surrogatepass")
