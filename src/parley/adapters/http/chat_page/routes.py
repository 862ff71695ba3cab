"""The addresses of the chat page. It is a client like any other: nothing here knows what the API does."""

from string import Template
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.chat_page.files import PageFile, page_files
from parley.adapters.http.pages.html_page import Style, html_page
from parley.adapters.http.ports import HttpPorts, Ports

# No inline code, no eval, nothing from elsewhere, and no HTML made of text (Trusted Types).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_FOR_EVER = "public, max-age=31536000, immutable"

# Of the page at `/` where there is no chat page.
_STYLE = Style("body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem }")


@get("/", include_in_schema=False, opt=PUBLIC)
async def front_page(ports: Ports) -> Response[str]:
    if ports.chat_page_served:
        return Response("", status_code=303, media_type=MediaType.HTML, headers={"Location": f"{ports.prefix}/chat"})
    docs = (
        f'<a href="{ports.prefix}/docs">documentation</a>'
        if ports.docs_served
        else "documentation, which is turned off"
    )
    body = f"<main><h1>parley</h1><p>This is the API of a chat product. It has a {docs}.</p></main>"
    return html_page(_STYLE, "parley", body)


@get("/chat", include_in_schema=False, opt=PUBLIC, sync_to_thread=True)
def chat_page(ports: Ports) -> Response[bytes]:
    return _page("chat.html", ports)


@get("/chat/admin", include_in_schema=False, opt=PUBLIC, sync_to_thread=True)
def operator_page(ports: Ports) -> Response[bytes]:
    return _page("admin.html", ports)


# The version stands in the path, so that an address never has another content.
@get("/chat/files/{version:str}/{name:str}", include_in_schema=False, opt=PUBLIC, sync_to_thread=True)
def chat_file(
    version: FromPath[str], name: FromPath[str], request: Request[Any, Any, Any], ports: Ports
) -> Response[bytes]:
    """A file of another version leads to the present one: a page made by a process that was just replaced still works.

    Modules resolve their imports by the address that they were redirected to, so versions do not mix.
    """
    present = page_files()
    file = present.files.get(name)
    if file is None or file.media_type == MediaType.HTML:
        raise NotFoundException
    if version != present.version:
        address = f"{ports.prefix}/chat/files/{present.version}/{name}"
        return Response(b"", status_code=307, media_type=file.media_type, headers={"Location": address})
    return _sent(file, request)


def _page(name: str, ports: HttpPorts) -> Response[bytes]:
    present = page_files()
    folder = f"{ports.prefix}/chat/files/{present.version}"
    # All at once: otherwise the browser would learn of each module only from another one.
    preloads = "\n    ".join(f'<link rel="modulepreload" href="{folder}/{each}">' for each in present.modules)
    html = Template(present.files[name].body.decode()).substitute(files=folder, modules=preloads)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return Response(html.encode(), media_type=MediaType.HTML, headers=headers)


def _sent(file: PageFile, request: Request[Any, Any, Any]) -> Response[bytes]:
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.body, media_type=file.media_type, headers=headers)
    return Response(file.gzipped, media_type=file.media_type, headers=headers | {"Content-Encoding": "gzip"})
