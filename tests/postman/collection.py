"""The Postman collection as its reader goes through it: request after request, from the top."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "postman"
COLLECTION = FOLDER / "parley.postman_collection.json"
ENVIRONMENT = FOLDER / "local.postman_environment.json"

_USED = re.compile(r"\{\{(\w+)\}\}")
_READ = re.compile(r"pm\.(?:variables|collectionVariables)\.get\(\s*\"(\w+)\"")
_SET = re.compile(r"pm\.collectionVariables\.set\(\s*\"(\w+)\"")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of the collection. `before` and `tests` are its scripts."""

    folder: str
    name: str
    method: str
    address: str
    public: bool
    parameters: frozenset[str]
    description: str
    content: str
    before: str
    tests: str

    @property
    def path(self) -> str | None:
        """What comes after `base_url`; None for an address that the server gave."""
        path = self.address.partition("?")[0]
        return path.removeprefix("{{base_url}}") if path.startswith("{{base_url}}") else None

    @property
    def used(self) -> set[str]:
        """The variables that must have a value by the time that it is sent."""
        return {
            *_USED.findall(self.content),
            *_USED.findall(self.before),
            *_READ.findall(self.before),
        } - self.set_before

    @property
    def read_by_tests(self) -> set[str]:
        return {*_USED.findall(self.tests), *_READ.findall(self.tests)}

    @property
    def set_before(self) -> set[str]:
        return set(_SET.findall(self.before))

    @property
    def set_after(self) -> set[str]:
        return set(_SET.findall(self.tests))


def read_collection() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(COLLECTION.read_text())
    return content


def environment_variables() -> dict[str, str]:
    return {each["key"]: each["value"] for each in json.loads(ENVIRONMENT.read_text())["values"] if each["enabled"]}


def requests(collection: dict[str, Any]) -> list[Sent]:
    return [_sent(folder["name"], item) for folder in collection["item"] for item in folder["item"]]


def _sent(folder: str, item: dict[str, Any]) -> Sent:
    request = item["request"]
    return Sent(
        folder=folder,
        name=item["name"],
        method=request["method"],
        address=request["url"]["raw"],
        public=request.get("auth", {}).get("type") == "noauth",
        parameters=frozenset(_parameters(request)),
        description=request.get("description", ""),
        content=json.dumps({part: request[part] for part in ("url", "header", "body") if part in request}),
        before=_script(item, "prerequest"),
        tests=_script(item, "test"),
    )


def _parameters(request: dict[str, Any]) -> Iterator[str]:
    """Of the query and the headers, those that are switched off too."""
    yield from (each["key"] for each in request["url"].get("query", []))
    yield from (each["key"] for each in request["header"])


def _script(item: dict[str, Any], when: str) -> str:
    return "\n".join(line for event in item["event"] if event["listen"] == when for line in event["script"]["exec"])
