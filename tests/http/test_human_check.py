"""A human check before a code is sent and before a sign-up."""

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import MIRA, RAVI
from tests.servers.siteverify_server import SECRET, SiteVerifyServer

WHO = {"mobile_number": MIRA}


def settings(server: SiteVerifyServer) -> dict[str, str]:
    return {"HUMAN_CHECK": "signup,send-otp", "HUMAN_CHECK_SECRET": SECRET, "HUMAN_CHECK_URL": server.url}


async def test_codes_and_sign_ups_ask_for_a_token_and_known_devices_for_none(open_site: OpenSite) -> None:
    async with SiteVerifyServer().running() as server:
        server.tokens = dict.fromkeys(("one", "two"), "app.example")
        site = await open_site(**settings(server))
        visitor = site.visitor("192.0.2.9")
        for path in ("/auth/signup", "/auth/send-otp"):
            refused(await visitor.post(path, json=WHO), 400, "invalid_input", "human_token")
            refused(await visitor.post(path, json=WHO | {"human_token": "forged"}), 400, "invalid_input", "human_token")
        assert (await visitor.post("/auth/signup", json=WHO | {"human_token": "two"})).status_code == 201
        sent = await visitor.post("/auth/send-otp", json=WHO | {"human_token": "one"})
        signed_in = await visitor.post("/auth/verify-otp", json=WHO | {"otp": sent.json()["otp"]})
        assert (await visitor.post("/auth/forgot-password", json=WHO)).status_code == 200
        await server.stop()
        device = {"device_token": signed_in.json()["device_token"]}
        assert (await visitor.post("/auth/send-otp", json=WHO | device)).status_code == 200
        refused(await visitor.post("/auth/send-otp", json=WHO | {"human_token": "three"}), 503, "unavailable")


async def test_without_the_setting_a_token_is_ignored(open_site: OpenSite) -> None:
    site = await open_site()
    answer = await site.visitor().post("/auth/send-otp", json={"mobile_number": RAVI, "human_token": "any"})
    assert answer.status_code == 200


async def test_numbers_that_no_sms_reaches_are_refused(open_site: OpenSite) -> None:
    site = await open_site(SMS_COUNTRIES="IN, US")
    visitor = site.visitor()
    for number in ("+44 909 879 0000", "+881 612 345 678", "+49 30 12345678", "+44 7400 123456"):
        for path in ("/auth/signup", "/auth/send-otp", "/auth/forgot-password"):
            refused(await visitor.post(path, json={"mobile_number": number}), 400, "invalid_input", "mobile_number")
    assert (await visitor.post("/auth/send-otp", json=WHO)).status_code == 200
