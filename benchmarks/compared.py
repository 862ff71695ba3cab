"""The goals that are ratios to another version: both versions measured in turn, each by its own benchmarks."""

import json
import subprocess
from pathlib import Path
from statistics import median

from benchmarks.measurement import Goal, Measurement
from benchmarks.report import RESULTS, commit, figure

HERE = Path(__file__).parents[1]
GROUPS = ("streams", "embedded")
# By the names of the measurements in both versions.
GOALS = {
    "first-delta-p50": Goal(at_most=0.65),
    "first-delta-p99": Goal(at_most=0.65),
    "replies-read": Goal(at_least=2.0),
    "cold-start": Goal(at_most=0.85),
    "embedded-first-delta": Goal(at_most=0.65),
}


def run(other: Path, *, rounds: int) -> None:
    """Write compared.md to the results. `other` is a checkout whose .venv has its own dependencies."""
    figures = [{"other": _measured(other), "this": _measured(HERE)} for _ in range(rounds)]
    names = f"commit {commit(HERE)} against {commit(other)}, {rounds} rounds in turn"
    lines = [names, "", "| what | other | this | ratio | goal | |", "|---|---|---|---|---|---|"]
    for name, goal in GOALS.items():
        before, after = (median(each[side][name] for each in figures) for side in ("other", "this"))
        ratio = median(each["this"][name] / each["other"][name] for each in figures)
        made = Measurement(name, name, "", goal, ratio, "")
        reached = "reached" if made.reached else "not reached"
        lines.append(f"| {name} | {before:.3g} | {after:.3g} | **{figure(made)}** | {goal} | {reached} |")
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "compared.md").write_text(text)
    print(text)


def _measured(checkout: Path) -> dict[str, float]:
    """The values of one round by name."""
    only = [word for group in GROUPS for word in ("--only", group)]
    command = [str(checkout.resolve() / ".venv/bin/python"), "-m", "benchmarks", *only, "--rounds", "1"]
    subprocess.run(command, cwd=checkout, check=True)
    results = json.loads((checkout / "benchmarks" / "results" / "latest.json").read_text())
    # Older versions call them rows.
    measurements = results.get("measurements") or results["rows"]
    return {each["name"]: each["value"] for each in measurements if each["name"] in GOALS}
