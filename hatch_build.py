"""Compresses the files of the chat page while a wheel is built, so that no server has to."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/parley/adapters/http/chat_page/static")


class CompressPage(BuildHookInterface[Any]):
    """Adds a file `NAME.gz` beside each file of the page."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable installation reads the checkout, where files change.
        if version == "editable":
            return
        self._folder = TemporaryDirectory()
        for path in (Path(self.root) / PAGE).iterdir():
            packed = Path(self._folder.name) / f"{path.name}.gz"
            packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            build_data["force_include"][str(packed)] = str(PAGE.relative_to("src") / packed.name)

    def finalize(self, version: str, _data: dict[str, Any], _wheel: str) -> None:
        if version != "editable":
            self._folder.cleanup()
