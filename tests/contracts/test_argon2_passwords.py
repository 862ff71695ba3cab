"""Argon2Passwords, the adapter for password hashes."""

import asyncio
import os
import sys
import threading

import argon2
import pytest

from parley.adapters.security.argon2_passwords import NICENESS, Argon2Passwords, decoy_hash
from parley.core.errors import Overloaded


@pytest.fixture
def passwords():
    made = Argon2Passwords()
    yield made
    made.close()


@pytest.mark.parametrize("password", ["correct horse", "ପାସୱାର୍ଡ ୧୨", "p" * 128])
async def test_hash_matches_only_its_password(passwords, password):
    password_hash = await passwords.hash(password)

    assert password_hash.startswith("$argon2id$")
    assert len(password_hash) <= 255
    assert await passwords.verify(password, password_hash)
    assert not await passwords.verify(password + "r", password_hash)
    assert not await passwords.verify("", password_hash)


async def test_hashes_of_one_password_differ(passwords):
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


@pytest.mark.parametrize("password", ["", "correct horse", "\ud800"], ids=["empty", "plain", "surrogate"])
async def test_without_a_hash_nothing_matches(passwords, password):
    assert await passwords.verify(password, None) is False


def test_verification_without_a_hash_costs_the_same(passwords):
    hasher = argon2.PasswordHasher()

    assert argon2.extract_parameters(decoy_hash(hasher)) == argon2.extract_parameters(hasher.hash("correct horse"))
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        hasher.verify(decoy_hash(hasher), "correct horse")


async def test_only_hashes_with_other_costs_need_a_rehash(passwords):
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")

    assert passwords.needs_rehash(cheap)
    assert await passwords.verify("correct horse", cheap)
    assert not passwords.needs_rehash(await passwords.hash("correct horse"))


async def test_event_loop_runs_while_a_password_is_hashed(passwords):
    hashing = asyncio.create_task(passwords.hash("correct horse"))
    verifying = asyncio.create_task(passwords.verify("correct horse", None))
    await asyncio.sleep(0)

    assert not hashing.done()
    assert not verifying.done()
    assert await verifying is False
    assert await hashing


async def test_work_that_would_not_begin_in_time_is_refused():
    passwords = Argon2Passwords(threads=1, longest_wait=0.001)
    working = asyncio.create_task(passwords.hash("correct horse"))
    await asyncio.sleep(0)

    for refused in (passwords.hash("correct horse"), passwords.verify("correct horse", None)):
        with pytest.raises(Overloaded) as refusal:
            await refused
        assert refusal.value.retry_after > 0

    assert await working
    assert await passwords.hash("correct horse")
    passwords.close()


async def test_work_is_refused_at_once_if_what_waits_takes_too_long():
    passwords = Argon2Passwords(threads=1)
    await passwords.hash("correct horse")
    working = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(5_000)]
    done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_EXCEPTION)

    # None of those refused so far had waited: the first ones are still at work.
    assert len(done) > 4_000
    assert all(isinstance(task.exception(), Overloaded) for task in list(done)[-1_000:])
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    passwords.close()


async def test_work_whose_caller_was_cancelled_is_not_begun():
    passwords = Argon2Passwords(threads=1, longest_wait=60)
    clock = asyncio.get_running_loop().time
    started = clock()
    await passwords.hash("correct horse")
    seconds_of_one = clock() - started

    working = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(40)]
    await asyncio.sleep(0)
    for task in working[1:]:
        task.cancel()
    started = clock()
    await passwords.hash("correct horse")

    assert clock() - started < 20 * seconds_of_one
    passwords.close()


async def test_cancelled_work_frees_its_thread_when_it_ends():
    passwords = Argon2Passwords(threads=1, longest_wait=60)
    for _ in range(3):
        working = asyncio.create_task(passwords.hash("correct horse"))
        await asyncio.sleep(0)
        working.cancel()
    assert await passwords.hash("correct horse")
    passwords.close()


async def test_hashing_threads_have_a_lower_priority(passwords):
    """Only Linux has priorities of threads; elsewhere the priority of the process stays unchanged."""
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    await passwords.hash("correct horse")

    priority = await asyncio.get_running_loop().run_in_executor(passwords._executor, own_priority)

    assert priority == (NICENESS if sys.platform == "linux" else mine)
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


def own_priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
