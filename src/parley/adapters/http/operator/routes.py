"""The operator's routes: all of them behind ADMIN_TOKEN, and there only if it is set."""

from litestar import Router

from parley.adapters.http.auth import OPERATOR, PUBLIC
from parley.adapters.http.operator.access import require_operator
from parley.adapters.http.operator.accounts import AdminAccountController
from parley.adapters.http.operator.stats import read_stats
from parley.adapters.http.operator.webhooks import AdminWebhookController


def operator_routes() -> Router:
    """PUBLIC, since no access token is asked for."""
    return Router(
        path="/admin",
        route_handlers=[AdminAccountController, AdminWebhookController, read_stats],
        guards=[require_operator],
        opt=PUBLIC,
        security=list(OPERATOR),
        tags=["Operator"],
    )
