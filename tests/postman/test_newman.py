"""The collection against a real server, by newman: from sign-up to Pro, and back to an account that is erased."""

from pathlib import Path

import pytest

from tests.e2e.process import served
from tests.postman.collection import read_collection, requests
from tests.postman.newman import NewmanMissing, installed, npm, run_collection

ADMIN_TOKEN = "the token of the operator of the collection"
# The defaults: what a newcomer has. The helper sets other ones for other tests.
AS_DELIVERED = {
    "JWT_SECRET": "",
    "AUTH_REQUESTS_PER_MINUTE": "60",
    "OTP_RESEND_SECONDS": "60",
    "ADMIN_TOKEN": ADMIN_TOKEN,
}


async def test_the_collection_runs_from_sign_up_to_pro_to_erased_and_then_once_more(tmp_path: Path) -> None:
    newman = installed()
    names = [request.name for request in requests(read_collection())]
    async with served(tmp_path, **AS_DELIVERED) as api:
        for time in ("first", "second"):
            run = await run_collection(newman, api.address, tmp_path / f"{time}.json", admin_token=ADMIN_TOKEN)
            assert (run.code, run.failures) == (0, [])
            assert [name for name, _ in run.requests] == names
            assert all(assertions for _, assertions in run.requests)


def test_without_npm_a_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NewmanMissing, match="apt-get install --no-install-recommends nodejs npm"):
        npm(path=str(tmp_path))
