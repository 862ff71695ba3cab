"""The results table as Markdown and JSON."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measurement import Measurement

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def machine() -> dict[str, Any]:
    """The machine on which the figures depend."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    kilobytes = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": models[0] if models else platform.machine(),
        "memory_gib": round(kilobytes / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def commit(folder: Path = HERE) -> str:
    """The checkout's commit, marked -dirty when files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.strip()


def markdown(measurements: Sequence[Measurement], context: dict[str, Any]) -> str:
    head = (
        f"{context['measured_at'][:10]}, commit {context['commit']}: {context['cores']} cores of "
        f"{context['processor']}, {context['memory_gib']} GiB, {context['system']}, Python {context['python']}."
    )
    lines = [head, "", "| what | baseline | goal | measured | | |", "|---|---|---|---|---|---|"]
    for each in measurements:
        reached = "" if each.times_the_goal is None else "reached" if each.reached else "not reached"
        lines.append(
            f"| {each.what} | {each.baseline} | {each.goal} | **{figure(each)}** | {each.summary} | {reached} |"
        )
    return "\n".join(lines) + "\n"


def figure(measurement: Measurement) -> str:
    value = f"{measurement.value:.3g}" if measurement.value < 1_000 else f"{measurement.value:,.0f}"
    return f"{value} {measurement.goal.unit}".rstrip()


def write_results(measurements: Sequence[Measurement]) -> None:
    context = machine() | {"commit": commit(), "measured_at": datetime.now(UTC).isoformat(timespec="seconds")}
    RESULTS.mkdir(exist_ok=True)
    results = context | {"measurements": [each.as_json() | {"figure": figure(each)} for each in measurements]}
    (RESULTS / "latest.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    (RESULTS / "latest.md").write_text(markdown(measurements, context))


def publish() -> None:
    """Put the latest results into the documentation."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table = (RESULTS / "latest.md").read_text()
    PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{after}")


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()
