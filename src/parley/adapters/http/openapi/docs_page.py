"""Interactive documentation out of this server alone: Swagger UI's files come with a Python package."""

from pathlib import Path
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

_FILES = Path(litestar_offline_docs.__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>parley API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/files/swagger-ui.css">
  </head>
  <body>
    <div id="api"></div>
    <script src="/docs/files/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
});
"""

_DESCRIPTION = """\
The backend of an AI chat product: sign-in by one-time code or password, chatrooms, replies that stream as they are
written and are never lost, and an exact daily quota.

**Start:** `POST /auth/send-otp`, then `POST /auth/verify-otp`, and put the `access_token` behind *Authorize*. Make a
room with `POST /chatroom`, say something with `POST /chatroom/{chatroom_id}/message`, and open the answer's
`stream_url`.

**Errors** are problems (RFC 9457) with a stable `code`. **Lists** have `items` and `next_cursor`. **Times** are UTC.
A trailing slash is accepted everywhere.

**Every response** has an `X-Request-ID`, `Cache-Control` and `Content-Security-Policy`, and for the safety of browsers
`X-Content-Type-Options`, `X-Frame-Options`, `Referrer-Policy`, `Cross-Origin-Resource-Policy`, and over HTTPS
`Strict-Transport-Security`. A method that an address does not know is 405 `method_not_allowed`, with the right ones in
`Allow`; an address that is none is 404 `not_found`.
"""

_TAGS = {
    "Sign-in": "One-time codes, passwords and sessions",
    "Account": "Who you are and what you have used",
    "Chatrooms": "Conversations",
    "Messages": "What is said in a chatroom, and replies as they are written",
    "Models": "What may be named as `model`",
    "Subscription": "Paying for Pro",
    "Operations": "For those who run it",
}


@get("/openapi.json", include_in_schema=False, opt=PUBLIC)
async def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    state = request.app.state
    if "openapi_json" not in state:
        state.openapi_json = msgspec.json.encode(openapi_document(request.app))
    return Response(state.openapi_json, media_type=MediaType.JSON)


@get("/docs", media_type=MediaType.HTML, include_in_schema=False, opt=PUBLIC)
async def docs_page() -> Response[str]:
    return Response(_PAGE, media_type=MediaType.HTML, headers={"Content-Security-Policy": _POLICY})


@get("/docs/start.js", media_type="text/javascript", include_in_schema=False, opt=PUBLIC)
async def docs_start() -> Response[str]:
    return Response(_START, media_type="text/javascript")


def docs_files() -> Router:
    return create_static_files_router("/docs/files", [_FILES], include_in_schema=False, opt=PUBLIC)


class _NoPages(Router):
    """Litestar always adds pages of its own, which load scripts from elsewhere and answer 404 in HTML: not here."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:  # noqa: ARG002 - Litestar's
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
                    description="The `access_token` of POST /auth/verify-otp, without «Bearer»",
                ),
                "ticket": SecurityScheme(
                    type="apiKey", security_scheme_in="query", name="ticket", description="Out of `stream_url`"
                ),
            }
        ),
        use_handler_docstrings=True,
        openapi_router=_NoPages("/docs/schema", route_handlers=[]),
    )
