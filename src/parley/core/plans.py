"""Plans as data: what each allows, which prices pay for it, and which of several counts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

EVERY_MODEL = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an account may do.

    `prices` are the payment provider's ids of recurring prices that pay for it; the one plan without any is free. Of
    messages and tokens, a limit of None means no limit; days and months are those of UTC. The other limits are those
    of the installation where they are None: unfinished replies, rooms, streams that are open in one process, and
    characters of a room's history that a model is sent. `models` are patterns of names, with * and ? as in file names.
    """

    name: str
    title: str
    prices: tuple[str, ...] = ()
    trial_days: int = 0
    messages_per_day: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    models: tuple[str, ...] = EVERY_MODEL
    max_pending_replies: int | None = None
    max_rooms: int | None = None
    max_open_streams: int | None = None
    context_characters: int | None = None

    @property
    def limits_tokens(self) -> bool:
        return self.tokens_per_day is not None or self.tokens_per_month is not None

    def has_model(self, name: str) -> bool:
        """Whether the plan has the model of that name, `provider/model`, if it is on offer at all."""
        return any(fnmatchcase(name, pattern) for pattern in self.models)


class Plans:
    """All plans in the operator's order: of several that an account pays for, the last one counts.

    Raises ValueError unless exactly one plan has no prices, and every name and every price occurs once.
    """

    def __init__(self, plans: Iterable[Plan]) -> None:
        every = tuple(plans)
        self._plans = {plan.name: plan for plan in every}
        if len(self._plans) < len(every):
            raise ValueError("two plans have the same name")
        free = [plan for plan in every if not plan.prices]
        if len(free) != 1:
            named = ", ".join(plan.name for plan in free) or "none"
            raise ValueError(f"exactly one plan has no prices, that of accounts that pay nothing; here: {named}")
        self.free = free[0]
        self._by_price = {price: plan for plan in every for price in plan.prices}
        if len(self._by_price) < sum(len(plan.prices) for plan in every):
            raise ValueError("a price pays for one plan only, and is listed once")

    def __iter__(self) -> Iterator[Plan]:
        return iter(self._plans.values())

    @property
    def limits_tokens(self) -> bool:
        """Whether any plan does."""
        return any(plan.limits_tokens for plan in self)

    def get(self, name: str) -> Plan | None:
        """None for a plan that the operator no longer has."""
        return self._plans.get(name)

    def named(self, name: str | None) -> Plan:
        """The plan, or the free one if there is none of that name."""
        return self._plans.get(name or "", self.free)

    def of_price(self, price: str) -> Plan | None:
        """The plan that the price pays for; None for a price of another product."""
        return self._by_price.get(price)

    def paid_by(self, prices: Collection[str]) -> Plan | None:
        """The last plan in order that one of these prices pays for, if any; without prices, as the version that knew
        one price stored subscriptions, the plan that it sold."""
        if not prices:
            return self.get(PRO)
        paid = {plan.name for plan in map(self.of_price, prices) if plan is not None}
        return next((plan for plan in reversed(self._plans.values()) if plan.name in paid), None)


BASIC, PRO = "basic", "pro"
# What an operator says instead of a plan's name, to leave the plan to the payments.
OF_PAYMENTS = "auto"


def default_plans(*, basic_daily_limit: int, pro_prices: Sequence[str]) -> Plans:
    """The two plans of an installation that names none: a free one with a daily limit, and one without limits."""
    return Plans(
        [
            Plan(name=BASIC, title="Basic", messages_per_day=basic_daily_limit),
            Plan(name=PRO, title="Pro", prices=tuple(pro_prices)),
        ]
    )
