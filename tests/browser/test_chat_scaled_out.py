"""The chat page while a worker, a process of its own, dies in mid-answer."""

from pathlib import Path

from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.e2e.scaled_out import scaled_out


async def test_a_worker_killed_in_mid_answer_is_replaced_before_the_readers_eyes(
    tmp_path: Path, open_page: OpenPage
) -> None:
    settings = {"OTP_SENDER": "response", "REPLY_LEASE_SECONDS": "5"}
    async with scaled_out(tmp_path, **settings) as deployment:
        page = await open_page(deployment.apis[0])
        await page.sign_in()
        await page.send("[[words 60]] [[drip 0.1]]")
        body = page.replies.locator(".body")
        await expect(body).to_contain_text("word3 ")
        await deployment.start_worker()
        await deployment.workers[0].kill()
        await page.ended()
        await expect(body).to_have_text(" ".join(f"word{number}" for number in range(60)))
        await expect(page.replies).to_have_count(1)
        await page.tab.close()
