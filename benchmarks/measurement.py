"""One measurement and its goal: a row of the results table."""

from dataclasses import asdict, dataclass, field
from typing import Any

# A missing baseline or goal in the table.
NOTHING = "–"  # noqa: RUF001 - a dash in a table


@dataclass(frozen=True)
class Goal:
    """`at_least` for ratios and rates, `at_most` for times and sizes; both bounds are inclusive. May have neither."""

    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    def reached_by(self, value: float) -> bool:
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        if self.at_least is None and self.at_most is None:
            return NOTHING
        sign, bound = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        return f"{sign} {bound:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Measurement:
    """`value` is the median of `rounds` in the unit of `goal`; `summary` also names the baseline's figure."""

    name: str
    what: str
    baseline: str
    goal: Goal
    value: float
    summary: str
    # The figures of each round, with the baseline's.
    rounds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        return self.goal.reached_by(self.value)

    @property
    def times_the_goal(self) -> float | None:
        """More than 1 is better than the goal; None without a goal."""
        if self.goal.at_least is not None:
            return self.value / self.goal.at_least
        if self.goal.at_most is None:
            return None
        return self.goal.at_most / self.value if self.value else 1.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "goal": str(self.goal),
            "reached": self.reached,
            "times_the_goal": self.times_the_goal,
        }
