"""The latest results as a plot: how many times its goal each row reaches.

    python -m benchmarks.plot [--publish]

In an environment of its own, as `just bench` makes one: numpy would be loaded into the processes that are measured.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def plot(file: Path) -> None:
    told = json.loads((RESULTS / "latest.json").read_text())
    rows = told["rows"]
    reached = [row["times_the_goal"] for row in rows]
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.42 * len(rows)), layout="constrained")
    bars = axes.barh(range(len(rows)), reached, color=["#2e7d32" if row["reached"] else "#c62828" for row in rows])
    axes.bar_label(bars, labels=[f"{row['figure']}  (goal {row['goal']})" for row in rows], padding=4, fontsize=8)
    axes.set_yticks(range(len(rows)), labels=[row["name"] for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, max(1.0, *reached) * 1.35)
    axes.set_xlabel("times the goal; right of 1 it is reached")
    axes.set_title(f"parley, measured side by side ({told['cores']} cores of {told['processor']})", fontsize=10)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    plot(RESULTS / "latest.png")
    if "--publish" in sys.argv:
        plot(HERE.parent / "docs" / "benchmarks.png")
