"""The payment sandbox's pages, and the pages that customers return to if there is no frontend.

They need no scripts. Anyone who knows the address of a sandbox page may press its buttons.
"""

from html import escape
from typing import Any
from urllib.parse import urlsplit

from litestar import Controller, MediaType, Request, Response, get, post
from litestar.params import FromPath

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.pages.html_page import Style, html_page
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.billing.errors import CheckoutNotFound
from parley.core.billing.events import receive_event
from parley.core.billing.model import Subscription
from parley.core.billing.sandbox import CheckoutPage, PageState, SandboxActions, SignedEvent

_STYLE = Style("""
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem; color: #222 }
button { font: inherit; padding: .5rem 1.5rem; margin: .25rem 0 }
.sandbox { border: 1px solid #b80; background: #fff6dd; padding: .5rem 1rem }
""")
_NOTE = '<p class="sandbox">Sandbox: no money moves.</p>'
_ACTIONS = {
    "cancel": "Cancel at period end",
    "cancel-now": "Cancel now",
    "resume": "Resume",
    "end-trial": "Let the trial end",
    "fail": "Let a payment fail",
    "settle": "Pay the open invoice",
}


def _page_not_found(_: Request[Any, Any, Any], error: CheckoutNotFound) -> Response[str]:
    return _page("No such page", f"{_NOTE}<p>{escape(error.detail)}</p>", status=404)


class SandboxPages(Controller):
    path = "/sandbox"
    opt = PUBLIC
    include_in_schema = False
    exception_handlers = {CheckoutNotFound: _page_not_found}  # noqa: RUF012 - Litestar's

    @get("/checkout/{session:str}")
    async def read_checkout(self, session: FromPath[str], ports: Ports) -> Response[str]:
        return _checkout(await _sandbox(ports).read_checkout(session), ports)

    @post("/checkout/{session:str}/pay")
    async def pay(self, session: FromPath[str], ports: Ports) -> Response[str]:
        """On a paid page this sends the events again, since the first ones may not have arrived."""
        page = await _sandbox(ports).read_checkout(session)
        if page.state is PageState.EXPIRED:
            return _checkout(page, ports)
        await _receive(await _sandbox(ports).pay(session), ports)
        return _see_other(page.return_to.paid)

    @post("/checkout/{session:str}/cancel")
    async def cancel_checkout(self, session: FromPath[str], ports: Ports) -> Response[str]:
        page = await _sandbox(ports).read_checkout(session)
        if page.state is not PageState.OPEN:
            return _checkout(page, ports)
        return _see_other(await _sandbox(ports).cancel_checkout(session))

    @get("/portal/{token:str}")
    async def read_portal(self, token: FromPath[str], ports: Ports) -> Response[str]:
        page = await _sandbox(ports).read_portal(token)
        path = _path(ports, f"portal/{token}")
        buttons = "".join(_button(f"{path}/{action}", label) for action, label in _ACTIONS.items())
        changes = "".join(
            _button(f"{path}/price/{price}", f"Change to {plan.title}, {price}")
            for plan in ports.billing.plans
            for price in plan.prices
            if page.subscription is not None and price not in page.subscription.prices
        )
        body = (
            f"{_NOTE}{_facts(page.subscription, ports)}{changes + buttons if page.subscription else ''}"
            f'<p><a href="{escape(page.return_address)}">Back</a></p>'
        )
        return _page("Your subscription", body)

    @post("/portal/{token:str}/{action:str}")
    async def manage(self, token: FromPath[str], action: FromPath[str], ports: Ports) -> Response[str]:
        sandbox = _sandbox(ports)
        match action:
            case "cancel":
                events = await sandbox.cancel(token, at_once=False)
            case "cancel-now":
                events = await sandbox.cancel(token, at_once=True)
            case "resume":
                events = await sandbox.resume(token)
            case "end-trial":
                events = await sandbox.end_trial(token)
            case "fail":
                events = await sandbox.fail_payment(token)
            case "settle":
                events = await sandbox.pay_open_invoice(token)
            case _:
                raise CheckoutNotFound
        await _receive(events, ports)
        return _see_other(_path(ports, f"portal/{token}"))

    @post("/portal/{token:str}/price/{price:str}")
    async def change_price(self, token: FromPath[str], price: FromPath[str], ports: Ports) -> Response[str]:
        if ports.billing.plans.of_price(price) is None:
            raise CheckoutNotFound
        await _receive(await _sandbox(ports).change_price(token, price), ports)
        return _see_other(_path(ports, f"portal/{token}"))


class CheckoutPages(Controller):
    """The pages to which any payment provider sends customers back if there is no frontend."""

    path = "/checkout"
    opt = PUBLIC
    include_in_schema = False

    @get("/done")
    async def done(self) -> Response[str]:
        return _page("Thank you", "<p>Your plan changes in a moment. You can close this page.</p>")

    @get("/cancelled")
    async def cancelled(self) -> Response[str]:
        return _page("Nothing was paid", "<p>Your plan has not changed. You can close this page.</p>")

    @get("/back")
    async def back(self) -> Response[str]:
        return _page("Done", "<p>Your changes take effect in a moment. You can close this page.</p>")


def _sandbox(ports: HttpPorts) -> SandboxActions:
    if ports.billing.sandbox is None:
        raise CheckoutNotFound
    return ports.billing.sandbox


async def _receive(events: list[SignedEvent], ports: HttpPorts) -> None:
    """Receive and process the events as from a webhook, before answering, so that the plan has changed by then."""
    for body, signature in events:
        await receive_event(ports.sandbox_billing, body=body, signature=signature)


def _checkout(page: CheckoutPage, ports: HttpPorts) -> Response[str]:
    path = _path(ports, f"checkout/{page.session_id}")
    targets = (page.return_to.paid, page.return_to.cancelled)
    match page.state:
        case PageState.OPEN:
            plan = ports.billing.plans.paid_by([page.price])
            title = plan.title if plan else "a plan"
            trial = f"<br>Free for {page.trial_days} days" if page.trial_days else ""
            price = escape(page.price) or "a sandbox price"
            facts = f"<p>Plan: <strong>{escape(title)}</strong><br>Price: {price}, nothing is charged{trial}</p>"
            buttons = _button(f"{path}/pay", "Pay") + _button(f"{path}/cancel", "Cancel")
            return _page(f"Subscribe to {title}", _NOTE + facts + buttons, targets=targets)
        case PageState.PAID:
            body = f"{_NOTE}<p>It cannot be paid again.</p>{_button(f'{path}/pay', 'Continue')}"
            return _page("This is paid", body, status=410, targets=targets)
        case PageState.EXPIRED:
            link = f'<p><a href="{escape(page.return_to.cancelled)}">Back</a></p>'
            return _page("This page has expired", f"{_NOTE}<p>Nothing was paid.</p>{link}", status=410)


def _facts(subscription: Subscription | None, ports: HttpPorts) -> str:
    if subscription is None:
        return "<p>There is no subscription.</p>"
    plan = ports.billing.plans.paid_by(subscription.prices)
    facts = [
        f"Plan: <strong>{escape(plan.title if plan else 'none that is offered')}</strong>",
        *(f"Price: {escape(price)}" for price in subscription.prices),
        f"Status: <strong>{escape(subscription.status.value)}</strong>",
    ]
    if subscription.current_period_end is not None:
        facts.append(f"Period end: {subscription.current_period_end:%Y-%m-%d %H:%M} UTC")
    if subscription.cancel_at_period_end:
        facts.append("It ends with this period.")
    return f"<p>{'<br>'.join(facts)}</p>"


def _button(action: str, label: str) -> str:
    return f'<form method="post" action="{escape(action)}"><button>{escape(label)}</button></form>'


def _path(ports: HttpPorts, path: str) -> str:
    """A path without host, since the browser may know another one."""
    return f"{ports.prefix}/sandbox/{path}"


def _page(title: str, body: str, *, status: int = 200, targets: tuple[str, ...] = ()) -> Response[str]:
    """`body` is HTML. Its forms may lead to this server and redirect to the origins of `targets`."""
    # Browsers apply form-action to redirects after a form, too.
    origins = {f"{urlsplit(target).scheme}://{urlsplit(target).netloc}" for target in targets}
    sources = " ".join(["'self'", *sorted(origins)])
    return html_page(_STYLE, title, f"<main><h1>{escape(title)}</h1>{body}</main>", status=status, form_action=sources)


def _see_other(address: str) -> Response[str]:
    return Response("", status_code=303, media_type=MediaType.HTML, headers={"Location": address})
