"""Plots the latest results as multiples of their goals.

    python -m benchmarks.plot [--publish]

`just bench` runs it in a separate environment: some packages load numpy, if installed, into the measured processes.
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
    results = json.loads((RESULTS / "latest.json").read_text())
    measurements = [each for each in results["measurements"] if each["times_the_goal"] is not None]
    reached = [each["times_the_goal"] for each in measurements]
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.42 * len(measurements)), layout="constrained")
    bars = axes.barh(
        range(len(measurements)), reached, color=["#2e7d32" if each["reached"] else "#c62828" for each in measurements]
    )
    axes.bar_label(
        bars, labels=[f"{each['figure']}  (goal {each['goal']})" for each in measurements], padding=4, fontsize=8
    )
    axes.set_yticks(range(len(measurements)), labels=[each["name"] for each in measurements], fontsize=9)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, max(1.0, *reached) * 1.35)
    axes.set_xlabel("multiple of the goal; reached from 1 on")
    axes.set_title(f"parley, measured side by side ({results['cores']} cores of {results['processor']})", fontsize=10)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    plot(RESULTS / "latest.png")
    if "--publish" in sys.argv:
        plot(HERE.parent / "docs" / "benchmarks.png")
