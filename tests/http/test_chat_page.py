"""The chat page: which files are served, how, and where."""

import gzip
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from parley.adapters.http.chat_page.files import files_in
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import MIRA, Person, Site

# Of all modules together, as browsers receive them.
MOST_SCRIPT_BYTES = 60 * 1024
Found = Callable[..., Awaitable[list[httpx.Response]]]


def addresses(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page)


async def test_the_root_leads_to_the_page(site: Site) -> None:
    answer = await site.visitor().get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/chat")


async def test_the_root_names_the_docs_where_there_is_no_page(open_site: OpenSite) -> None:
    visitor = (await open_site(CHAT_PAGE="off")).visitor()
    answer = await visitor.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    [docs] = [address for address in addresses(answer.text) if not address.startswith("data:")]
    assert (await visitor.get(docs)).status_code == 200
    refused(await visitor.get("/chat"), 404, "not_found")


async def test_the_root_does_not_name_docs_that_are_off(open_site: OpenSite) -> None:
    page = await (await open_site(CHAT_PAGE="off", DOCS="off")).visitor().get("/")
    assert (page.status_code, "/docs" in page.text) == (200, False)


async def test_the_page_allows_nothing_inline_and_nothing_from_elsewhere(site: Site) -> None:
    page = await site.visitor().get("/chat")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["cache-control"] == "no-cache"
    assert all(address.startswith("/chat/files/") for address in addresses(page.text))
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page.text)


async def test_files_are_kept_for_ever_and_sent_compressed(site: Site) -> None:
    visitor = site.visitor()
    for address in addresses((await visitor.get("/chat")).text):
        plain = await visitor.get(address, headers={"Accept-Encoding": "identity"})
        packed = await visitor.get(address, headers={"Accept-Encoding": "gzip"})
        assert (plain.status_code, packed.status_code) == (200, 200)
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert int(packed.headers["content-length"]) < len(plain.content) == len(packed.content)
        assert plain.content == packed.content


def test_what_the_wheel_compressed_is_sent_unless_the_file_was_changed_since(tmp_path: Path) -> None:
    style = tmp_path / "theme.css"
    style.write_bytes(b"/* blue */")
    # With a time in its header, as no server writes it.
    built = gzip.compress(b"/* blue */", mtime=7)
    style.with_name("theme.css.gz").write_bytes(built)
    before = files_in(tmp_path)
    assert (list(before.files), before.files["theme.css"].gzipped) == (["theme.css"], built)
    style.write_bytes(b"/* pink */")
    after = files_in(tmp_path)
    assert gzip.decompress(after.files["theme.css"].gzipped) == b"/* pink */"
    assert after.version != before.version


async def test_a_file_of_another_version_leads_to_the_present_one(site: Site) -> None:
    visitor = site.visitor()
    [present] = [each for each in addresses((await visitor.get("/chat")).text) if each.endswith("/page.css")]
    old = re.sub("/files/[^/]+/", "/files/0123456789abcdef/", present)
    answer = await visitor.get(old)
    assert (answer.status_code, answer.headers["location"]) == (307, present)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_scripts_stay_small(site: Site) -> None:
    visitor = site.visitor()
    scripts = {each for each in addresses((await visitor.get("/chat")).text) if each.endswith(".js")}
    bodies = [(await visitor.get(each)).content for each in sorted(scripts)]
    assert sum(len(gzip.compress(body)) for body in bodies) < MOST_SCRIPT_BYTES


async def test_imports_lead_to_files(site: Site) -> None:
    visitor = site.visitor()
    for script in {each for each in addresses((await visitor.get("/chat")).text) if each.endswith(".js")}:
        for imported in re.findall(r'from "([^"]+)"', (await visitor.get(script)).text):
            assert (await visitor.get(urljoin(script, imported))).status_code == 200, (script, imported)


@pytest.mark.parametrize("outcome", ["pay", "cancel"])
async def test_a_payment_returns_to_the_page(site: Site, mira: Person, outcome: str) -> None:
    checkout = httpx.URL((await mira.post("/subscribe/pro")).json()["checkout_url"])
    done = httpx.URL((await site.visitor().post(f"{checkout.path}/{outcome}")).headers["location"])
    assert (done.path, done.params["checkout"]) == ("/chat", "done" if outcome == "pay" else "cancelled")


async def test_without_the_page_a_payment_returns_to_a_plain_one(open_site: OpenSite) -> None:
    site = await open_site(CHAT_PAGE="off")
    mira = site.visitor()
    await mira.sign_in(MIRA)
    checkout = httpx.URL((await mira.post("/subscribe/pro")).json()["checkout_url"])
    done = httpx.URL((await site.visitor().post(f"{checkout.path}/pay")).headers["location"])
    assert done.path == "/checkout/done"
    assert (await mira.get(done.path)).status_code == 200


async def test_the_operators_page_is_there_only_with_a_token(open_site: OpenSite) -> None:
    refused(await (await open_site(ADMIN_TOKEN="")).visitor().get("/chat/admin"), 404, "not_found")


async def test_the_operators_page_has_its_own_modules(open_site: OpenSite) -> None:
    visitor = (await open_site(ADMIN_TOKEN="only for tests but long enough, too")).visitor()
    page = await visitor.get("/chat/admin")
    assert page.headers["content-security-policy"] == (await visitor.get("/chat")).headers["content-security-policy"]
    [script] = [each for each in addresses(page.text) if each.endswith(".js")]
    assert (await visitor.get(script)).status_code == 200
