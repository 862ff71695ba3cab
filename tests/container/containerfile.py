"""What a Containerfile says, step by step, and what an ignore file leaves out of its context."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
Step = tuple[str, str]


@dataclass
class Stage:
    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [value for each, value in self.steps if each == keyword]

    def one(self, keyword: str) -> str:
        [value] = self.all(keyword)
        return value

    def words(self, keyword: str) -> list[str]:
        """Of an instruction in its JSON form, which no shell reads."""
        words: list[str] = json.loads(self.one(keyword))
        return words

    def pairs(self, keyword: str) -> dict[str, str]:
        """Of every ENV or LABEL."""
        return dict(pair.split("=", 1) for value in self.all(keyword) for pair in shlex.split(value))


@cache
def stages(text: str) -> list[Stage]:
    found: list[Stage] = []
    for keyword, value in _steps(text):
        if keyword == "FROM":
            base, _, name = value.partition(" AS ")
            found.append(Stage(base, name))
        else:
            found[-1].steps.append((keyword, value))
    return found


def copied_from_context(copies: list[str]) -> list[str]:
    return [word for copy in copies if not copy.startswith("--from") for word in copy.split()[:-1]]


def left_out(path: str, patterns: list[str]) -> bool:
    """Whether an ignore file keeps the path out: the last pattern that matches it or a folder above decides."""
    out = False
    above = [path, *(str(parent) for parent in Path(path).parents)]
    for pattern in patterns:
        if any(_matcher(pattern.lstrip("!")).fullmatch(each) for each in above):
            out = not pattern.startswith("!")
    return out


def ignore_patterns(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]


def _steps(text: str) -> Iterator[Step]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", "").splitlines():
        if line.strip():
            keyword, value = line.split(None, 1)
            yield keyword, value.strip()


@cache
def _matcher(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return re.compile(escaped)
