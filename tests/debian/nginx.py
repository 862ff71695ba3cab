"""The system's nginx with a configuration of docs/nginx.md, on free ports and with certificates of its own."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trustme

from tests.container.image import REPOSITORY

NAME = "api.your.product"
PATH = "/usr/sbin:/usr/bin:/bin"
PATIENCE = 30.0
# What the system's own nginx.conf has around the files of conf.d.
AROUND = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/parley.conf;
}}
"""


def documented(*, under_a_path: bool = False) -> str:
    """The configuration as printed, or with the location that serves parley under a path."""
    page = (REPOSITORY / "docs" / "nginx.md").read_text()
    whole, location = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    if not under_a_path:
        return str(whole)
    return re.sub(r"    location / \{.*?\n    \}\n", lambda _: str(location), str(whole), flags=re.DOTALL)


@asynccontextmanager
async def nginx(configuration: str, ports: Mapping[int, int], ca: trustme.CA) -> AsyncGenerator[None, None]:
    """Runs while the context is open. `ports` are those of the configuration and what stands for them here."""
    folder = Path(tempfile.mkdtemp(prefix="parley-nginx-"))
    folder.chmod(0o755)
    certificate = ca.issue_cert(NAME)
    (folder / "fullchain.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / "privkey.pem").write_bytes(certificate.private_key_pem.bytes())
    text = configuration.replace(f"/etc/ssl/{NAME}", str(folder))
    numbers = "|".join(map(str, ports))
    text = re.sub(rf"(?<=[ :])({numbers})(?=[ ;])", lambda found: str(ports[int(found[1])]), text)
    (folder / "parley.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    try:
        checked = await _start(*command, "-t")
        _, said = await checked.communicate()
        assert checked.returncode == 0, said.decode()
        assert b"[warn]" not in said, said.decode()
        process = await _start(*command, "-g", "daemon off;")
        try:
            await _listens(ports[443], process)
            yield
        finally:
            process.terminate()
            await process.communicate()
    finally:
        shutil.rmtree(folder)


async def _start(*command: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, env={"PATH": PATH}, stderr=pipe)


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.returncode is None
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
