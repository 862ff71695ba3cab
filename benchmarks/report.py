"""The table, as Markdown and JSON."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.row import Row

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def machine() -> dict[str, Any]:
    """What figures depend on."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    kilobytes = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": models[0] if models else platform.machine(),
        "memory_gib": round(kilobytes / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """Of the clone; marked when files differ from it."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(asked, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()


def markdown(rows: Sequence[Row], about: dict[str, Any]) -> str:
    head = (
        f"{about['measured_at'][:10]}, commit {about['commit']}: {about['cores']} cores of {about['processor']}, "
        f"{about['memory_gib']} GiB, {about['system']}, Python {about['python']}."
    )
    lines = [head, "", "| what | against | goal | measured | | |", "|---|---|---|---|---|---|"]
    for row in rows:
        reached = "reached" if row.reached else "not reached"
        lines.append(f"| {row.what} | {row.against} | {row.goal} | **{figure(row)}** | {row.said} | {reached} |")
    return "\n".join(lines) + "\n"


def figure(row: Row) -> str:
    value = f"{row.value:.3g}" if row.value < 1_000 else f"{row.value:,.0f}"
    return f"{value} {row.goal.unit}".rstrip()


def write_results(rows: Sequence[Row]) -> None:
    about = machine() | {"commit": commit(), "measured_at": datetime.now(UTC).isoformat(timespec="seconds")}
    RESULTS.mkdir(exist_ok=True)
    told = about | {"rows": [row.as_json() | {"figure": figure(row)} for row in rows]}
    (RESULTS / "latest.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    (RESULTS / "latest.md").write_text(markdown(rows, about))


def publish() -> None:
    """Put the latest results into the documentation."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table = (RESULTS / "latest.md").read_text()
    PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{after}")


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()
