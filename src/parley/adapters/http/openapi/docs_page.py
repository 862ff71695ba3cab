"""Interactive documentation without external resources: Swagger UI's files come from a Python package."""

from pathlib import Path
from string import Template
from typing import Any

import litestar_offline_docs
import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.routes import BaseRoute
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.openapi.document import openapi_document
from parley.adapters.http.ports import Ports

_FILES = Path(litestar_offline_docs.__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# $prefix is the path of PUBLIC_URL, under which a proxy may serve all this.
_PAGE = Template("""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>parley API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="$prefix/docs/files/swagger-ui.css">
  </head>
  <body>
    <div id="api"></div>
    <script src="$prefix/docs/files/swagger-ui-bundle.js"></script>
    <script src="$prefix/docs/start.js"></script>
  </body>
</html>
""")

_SCRIPT = """SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
});
"""

_DESCRIPTION = """\
The backend of an AI chat product: sign-in by one-time code or password, chatrooms, durable replies that stream while
they are generated, and an exact daily quota.

**Getting started:** call `POST /auth/send-otp`, then `POST /auth/verify-otp`, and enter the `access_token` under
*Authorize*. Create a chatroom with `POST /chatroom`, send a message with `POST /chatroom/{chatroom_id}/message`, and
open the `stream_url` of the response.

**Errors** are problem details (RFC 9457) with a stable `code`. **Lists** have `items` and `next_cursor`. **Times** are
UTC. A trailing slash is accepted in every path but `/metrics`.

**Every response** has `X-Request-ID`, `Cache-Control`, `Content-Security-Policy`, `X-Content-Type-Options`,
`X-Frame-Options`, `Referrer-Policy` and `Cross-Origin-Resource-Policy`, and over HTTPS `Strict-Transport-Security`. A
method that an address does not support is answered with 405 `method_not_allowed` and the supported ones in `Allow`; an
unknown address with 404 `not_found`.
"""

_TAGS = {
    "Sign-in": "One-time codes, passwords and sessions",
    "Account": "The account and its usage",
    "Chatrooms": "Conversations with a model",
    "Messages": "The messages of a chatroom, and the stream of a reply",
    "Models": "The language models that can be selected",
    "OpenAI": "OpenAI's chat completions, for its clients and all that speak its protocol",
    "AI SDK": "The UI message stream of npm's `ai`, for useChat",
    "Subscription": "The paid plan, Pro",
    "Operator": "Accounts and statistics, for the operator of the service; only with ADMIN_TOKEN",
    "Operations": "Health checks and metrics for operators",
}


@get("/openapi.json", include_in_schema=False, opt=PUBLIC)
async def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    state = request.app.state
    if "openapi_json" not in state:
        state.openapi_json = msgspec.json.encode(_with_prefix(state.ports.prefix, openapi_document(request.app)))
    return Response(state.openapi_json, media_type=MediaType.JSON)


def _with_prefix(prefix: str, document: dict[str, Any]) -> dict[str, Any]:
    return document | {"servers": [{"url": prefix}]} if prefix else document


@get("/docs", media_type=MediaType.HTML, include_in_schema=False, opt=PUBLIC)
async def docs_page(ports: Ports) -> Response[str]:
    page = _PAGE.substitute(prefix=ports.prefix)
    return Response(page, media_type=MediaType.HTML, headers={"Content-Security-Policy": _POLICY})


@get("/docs/start.js", media_type="text/javascript", include_in_schema=False, opt=PUBLIC)
async def docs_script() -> Response[str]:
    return Response(_SCRIPT, media_type="text/javascript")


def docs_files() -> Router:
    return create_static_files_router("/docs/files", [_FILES], include_in_schema=False, opt=PUBLIC)


class _NoPages(Router):
    """Replaces Litestar's own documentation pages, which load external scripts and respond with HTML for 404."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:  # noqa: ARG002 - Litestar's signature
        return []


def openapi_config(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="parley",
        version=version,
        description=_DESCRIPTION,
        tags=[Tag(name, description) for name, description in _TAGS.items()],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearer_format="JWT",
                    description="The `access_token` of a sign-in, without «Bearer»",
                ),
                "operator": SecurityScheme(
                    type="http", scheme="bearer", description="The setting ADMIN_TOKEN, without «Bearer»"
                ),
                "api_key": SecurityScheme(
                    type="http", scheme="bearer", description="A `key` of POST /user/keys, instead of a token"
                ),
                "ticket": SecurityScheme(
                    type="apiKey", security_scheme_in="query", name="ticket", description="The ticket in `stream_url`"
                ),
            }
        ),
        use_handler_docstrings=True,
        openapi_router=_NoPages("/docs/schema", route_handlers=[]),
    )
