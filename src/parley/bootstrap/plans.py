"""Builds the plans, from parley.toml or from the settings of an installation with two."""

from parley.core.plans import OF_PAYMENTS, Plan, Plans, default_plans
from parley.settings import ConfigFile, Settings, SettingsError

SANDBOX_PRICE = "price_sandbox_pro"


def build_plans(settings: Settings, file: ConfigFile) -> Plans:
    """Raises SettingsError for plans that contradict each other or the settings."""
    if not file.plans:
        if settings.stripe_secret_key and not settings.stripe_price_id:
            raise SettingsError("STRIPE_PRICE_ID: name the price of the Pro plan, since STRIPE_SECRET_KEY is set.")
        prices = tuple(dict.fromkeys(settings.stripe_price_id)) or (SANDBOX_PRICE,)
        return default_plans(basic_daily_limit=settings.basic_daily_limit, pro_prices=prices)
    for name in ("stripe_price_id", "basic_daily_limit"):
        if getattr(settings, name) != getattr(Settings(), name):
            raise SettingsError(f"{name.upper()}: [plans] in parley.toml says it already; leave one of them out.")
    if OF_PAYMENTS in file.plans:
        raise SettingsError(f"[plans.{OF_PAYMENTS}]: choose another name: «parley plan» calls what payments say so.")
    try:
        return Plans(
            Plan(
                name=name,
                title=table.title or name,
                prices=table.prices,
                trial_days=table.trial_days,
                messages_per_day=table.messages_per_day,
                tokens_per_day=table.tokens_per_day,
                tokens_per_month=table.tokens_per_month,
                models=table.models,
                max_pending_replies=table.max_pending_replies,
                max_rooms=table.max_rooms,
                max_open_streams=table.max_open_streams,
                context_characters=table.context_characters,
            )
            for name, table in file.plans.items()
        )
    except ValueError as error:
        raise SettingsError(f"[plans]: {error}.") from error
