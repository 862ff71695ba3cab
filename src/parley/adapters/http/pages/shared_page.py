"""The page of a shared conversation: narrow or wide, light or dark, in every direction of writing."""

from datetime import datetime
from html import escape

from litestar import Response

from parley.adapters.http.pages.html_page import Style, html_page
from parley.core.chat.model import FinishReason, Role, Status
from parley.core.chat.share_store import Share, SharedMessage

# `plaintext` lets each paragraph of a message have its own direction.
_STYLE = Style("""
:root { color-scheme: light dark; --text: #1d1d1f; --faint: #5f6368; --page: #fff; --user: #eef2fb; --line: #d5d8de }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8ea; --faint: #a6abb3; --page: #17181a; --user: #25304a; --line: #3b3f46 }
}
body { font: 1rem/1.55 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 0 }
main { max-width: 46rem; margin: 0 auto; padding: 1.25rem 1rem 3rem }
h1 { color: var(--text); font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere }
h2 { font-size: .875rem; margin: 0 0 .25rem; color: var(--faint); overflow-wrap: anywhere }
header, nav { color: var(--faint); font-size: .875rem; margin-bottom: 1.5rem }
header p { margin: 0 }
article { margin: 0 0 1.25rem; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .75rem }
article.user { background: var(--user); border-color: transparent }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; text-align: start }
.note { color: var(--faint); font-size: .875rem; margin: .5rem 0 0 }
nav { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1.5rem }
a { color: inherit }
""")
# Robots that do not read headers read this.
_HEAD = '<meta name="robots" content="noindex, nofollow">'
_ENDINGS = {
    FinishReason.LENGTH: "The reply ends here because it reached its limit of length.",
    FinishReason.CONTENT_FILTER: "The reply ends here because the model's provider filtered it.",
}
_STATES = {Status.FAILED: "The model did not finish this reply.", Status.STOPPED: "The reply was stopped here."}


def shared_page(share: Share, items: list[SharedMessage], *, is_first: bool, next_cursor: str | None) -> Response[str]:
    """A page of the conversation. What people and models wrote is escaped, and shown as it was written."""
    messages = "".join(map(_message, items)) or '<p class="note">There are no messages in this copy.</p>'
    links = "" if is_first else '<a href="?">From the beginning</a>'
    if next_cursor is not None:
        links += f'<a rel="next" href="?cursor={escape(next_cursor)}">Next messages</a>'
    body = (
        f'<main><header><h1 dir="auto">{escape(share.title)}</h1><p>A copy of a conversation with a language model, '
        f"made on {_date(share.created_at)}</p></header>{messages}"
        f"{links and f'<nav>{links}</nav>'}</main>"
    )
    return html_page(_STYLE, share.title, body, head=_HEAD)


def refusal_page(title: str, detail: str, *, status: int) -> Response[str]:
    """What a browser shows instead."""
    body = f"<main><h1>{escape(title)}</h1><p>{escape(detail)}</p></main>"
    return html_page(_STYLE, title, body, head=_HEAD, status=status)


def _message(message: SharedMessage) -> str:
    kind, author = ("user", "User") if message.role is Role.USER else ("assistant", "Assistant")
    by = f" ({escape(message.model)})" if message.model else ""
    text = f'<div class="text" dir="auto">{escape(message.content)}</div>' if message.content else ""
    note = _STATES.get(message.status) or _ENDINGS.get(message.finish_reason or FinishReason.STOP)
    ending = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<article class="{kind}"><h2>{author}{by}</h2>{text}{ending}</article>'


def _date(moment: datetime) -> str:
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment.day} {moment:%B %Y}</time>'
