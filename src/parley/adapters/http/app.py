"""The HTTP adapter as one ASGI application."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from ipaddress import IPv4Network, ip_network
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from parley.adapters.http.accounts.account import AccountController
from parley.adapters.http.accounts.export import export_account
from parley.adapters.http.accounts.passwords import PasswordController
from parley.adapters.http.accounts.sessions import SessionController
from parley.adapters.http.accounts.sign_in import AuthController
from parley.adapters.http.auth import RequireCaller
from parley.adapters.http.billing.sandbox_pages import CheckoutPages, SandboxPages
from parley.adapters.http.billing.subscriptions import SubscriptionController
from parley.adapters.http.billing.usage import UsageController
from parley.adapters.http.billing.webhook import WebhookController
from parley.adapters.http.chat.messages import MessageController
from parley.adapters.http.chat.models import list_models
from parley.adapters.http.chat.reply_stream import ReplyController
from parley.adapters.http.chat.rooms import RoomController
from parley.adapters.http.envelope import Envelope
from parley.adapters.http.errors import exception_handlers
from parley.adapters.http.health import is_live, is_ready
from parley.adapters.http.metrics import read_metrics
from parley.adapters.http.openapi.docs_page import docs_files, docs_page, docs_start, openapi_config, openapi_json
from parley.adapters.http.ports import HttpPorts

LARGEST_BODY = 1_000_000
_EXPOSED = (
    "Cache-Status",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)
_ALLOWED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-ID",
)

Background = Callable[[], AbstractAsyncContextManager[None]]


def create_app(
    ports: HttpPorts, *, cors_origins: Sequence[str], trusted_proxies: Sequence[str], background: Background
) -> ASGIApp:
    """`background` is open from start to shutdown: the worker of an embedded process, the closing of pools.

    What X-Forwarded-For says counts only from a peer that is one of the `trusted_proxies`, which are addresses or
    networks: the client is then the right-most address there that is none of them. Raises ValueError for another word.
    """
    litestar = create_litestar(ports, cors_origins=cors_origins, background=background)
    https = ports.public_url.startswith("https://")
    app: ASGIApp = Envelope(
        litestar, new_request_id=lambda: str(ports.accounts.new_id()), meter=ports.meter, https=https
    )
    if not trusted_proxies:
        return app
    # Outermost, so that all within see one and the same client. uvicorn types ASGI in its own words: hence Any.
    trusting = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=_networks(trusted_proxies))
    return cast("ASGIApp", trusting)


def create_litestar(ports: HttpPorts, *, cors_origins: Sequence[str], background: Background) -> Litestar:
    """The routes alone, without the envelope around every response; it has the OpenAPI document."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None, None]:
        async with background():
            yield

    return Litestar(
        route_handlers=[
            AuthController,
            PasswordController,
            SessionController,
            AccountController,
            export_account,
            UsageController,
            SubscriptionController,
            WebhookController,
            CheckoutPages,
            *((SandboxPages,) if ports.billing.sandbox else ()),
            list_models,
            RoomController,
            MessageController,
            ReplyController,
            is_live,
            is_ready,
            read_metrics,
            openapi_json,
            docs_page,
            docs_start,
            docs_files(),
        ],
        middleware=[
            DefineMiddleware(
                RequireCaller,
                tokens=ports.accounts.access_tokens,
                revocations=ports.accounts.revocations,
                now=ports.accounts.now,
            )
        ],
        before_request=_before_handler,
        dependencies={"ports": Provide(lambda: ports, sync_to_thread=False, use_cache=True)},
        state=State({"ports": ports}),
        exception_handlers=exception_handlers(ports.accounts.now, ports.meter.refused),
        request_max_body_size=LARGEST_BODY,
        cors_config=_cors(cors_origins),
        openapi_config=openapi_config(version("parley")),
        lifespan=[lifespan],
        logging_config=None,
        debug=False,
    )


def _networks(proxies: Sequence[str]) -> list[str]:
    """As uvicorn compares them: a network that is written with bits of a host would match nothing there.

    A socket of both families shows an IPv4 peer by its mapped address (RFC 4291, 2.5.5.2).
    """
    networks = [ip_network(proxy, strict=False) for proxy in proxies]
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in networks
        if isinstance(network, IPv4Network)
    ]
    return [*map(str, networks), *mapped]


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=list(_ALLOWED),
        expose_headers=list(_EXPOSED),
        max_age=600,
    )


async def _before_handler(request: Request[Any, Any, Any]) -> Response[None] | None:
    if request.method == HttpMethod.OPTIONS:
        return _options(request)
    _require_json(request)
    return None


def _options(request: Request[Any, Any, Any]) -> Response[None]:
    """Litestar's own answer names only the methods of the first handler that an address got."""
    template = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == template for method in route.methods}
    return Response(None, status_code=HTTPStatus.NO_CONTENT, headers={"Allow": ", ".join(sorted(methods))})


def _require_json(request: Request[Any, Any, Any]) -> None:
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    declared = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if declared != "application/json" and not declared.endswith("+json"):
        raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
