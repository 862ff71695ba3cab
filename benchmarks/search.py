"""Searching an account's messages, one search at a time."""

from functools import partial
from urllib.parse import urlencode

from benchmarks import wrk
from benchmarks.filled_account import FilledAccount
from benchmarks.rounds import LoadRun


async def common_word(account: FilledAccount) -> LoadRun:
    """In every second message."""
    return await _search(account, "season")


async def rare_word(account: FilledAccount) -> LoadRun:
    """In fifty messages, all of one room: its number."""
    return await _search(account, f"there {len(account.rooms)}")


async def _search(account: FilledAccount, words: str) -> LoadRun:
    path = "/search?" + urlencode({"q": words, "limit": 20})
    found = (await account.answer(path)).json()
    assert len(found["items"]) == 20, found
    bearer = {"Authorization": f"Bearer {await account.deployment.sign_in(account.email)}"}
    return partial(wrk.get, account.deployment.api + path, bearer, connections=1)
