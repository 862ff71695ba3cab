"""Pages for browsers: complete HTML documents that run no script and load nothing."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from html import escape

from litestar import MediaType, Response


class Style:
    """A style sheet, which the page's Content-Security-Policy allows by its hash."""

    def __init__(self, css: str) -> None:
        self.element = f"<style>{css}</style>"
        self.source = f"'sha256-{base64.b64encode(sha256(css.encode()).digest()).decode()}'"


def html_page(
    style: Style,
    title: str,
    body: str,
    *,
    head: str = "",
    status: int = 200,
    form_action: str = "'none'",
    headers: Mapping[str, str] | None = None,
) -> Response[str]:
    """`title` is text, `body` and `head` are HTML. Forms may lead to the sources `form_action` (CSP 3, 6.4.1)."""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title>{head}{style.element}</head><body>{body}</body></html>"
    )
    policy = (
        f"default-src 'none'; style-src {style.source}; img-src data:; "
        f"form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    )
    sent = {"Content-Security-Policy": policy, **(headers or {})}
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=sent)
