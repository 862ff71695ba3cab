"""parley.toml: plans and providers, and what is wrong with them in one line that names table and key."""

import re
from pathlib import Path

import pytest

from parley.bootstrap.models import configured_providers, model_catalogue, model_prices
from parley.bootstrap.plans import SANDBOX_PRICE, build_plans
from parley.core.chat.tokens import Spent
from parley.core.plans import Plan, Plans
from parley.settings import ConfigFile, Settings, SettingsError, read_config_file

GOOD = """
[plans.free]
messages_per_day = 3

[plans.plus]
title = "Plus"
prices = ["price_month", "price_year"]
trial_days = 14
messages_per_day = 200

[providers.mine]
base_url = "http://127.0.0.1:9/v1"
api_key = "env:KEY_OF_MINE"
models = ["small", "large"]
stream_options = false
"""


def written(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "my.toml").write_text(text)
    return Settings(parley_config=str(tmp_path / "my.toml"))


def plans_of(settings: Settings) -> Plans:
    return build_plans(settings, read_config_file(settings))


def test_plans_are_those_of_the_file(tmp_path):
    plans = list(plans_of(written(tmp_path, GOOD)))
    assert [(plan.name, plan.title, plan.messages_per_day) for plan in plans] == [
        ("free", "free", 3),
        ("plus", "Plus", 200),
    ]
    plus = plans[1]
    assert (plus.prices, plus.trial_days) == (("price_month", "price_year"), 14)


LIMITS = """
[plans.free]
tokens_per_day = 1_000
tokens_per_month = 20_000
models = ["mine/s*"]
max_pending_replies = 2
max_rooms = 3
max_open_streams = 4
context_characters = 5_000
"""


def test_limits_of_a_plan_are_those_of_its_table(tmp_path):
    [plan] = plans_of(written(tmp_path, LIMITS))
    assert plan == Plan(
        name="free",
        title="free",
        tokens_per_day=1_000,
        tokens_per_month=20_000,
        models=("mine/s*",),
        max_pending_replies=2,
        max_rooms=3,
        max_open_streams=4,
        context_characters=5_000,
    )
    assert (plan.has_model("mine/small"), plan.has_model("mine/large")) == (True, False)


def test_plan_without_any_model_on_offer_is_refused(tmp_path):
    plans = plans_of(written(tmp_path, LIMITS))
    with pytest.raises(SettingsError, match=r"\[plans.free\] models: none of the models on offer is: offline/echo"):
        model_catalogue(Settings(), plans, configured_providers(Settings(), ConfigFile()))


async def test_prices_are_of_models_on_offer(tmp_path):
    file = read_config_file(written(tmp_path, '[prices."mine/a"]\ninput = 2\noutput = 3.5'))
    prices = model_prices(Settings(), file, ["mine/a"])
    assert await prices.cost("mine/a", Spent(1_000_000, 2_000_000)) == 9 * 10**9
    assert await prices.cost("offline/echo", Spent(1, 1)) == 0
    with pytest.raises(SettingsError, match=r'\[prices."mine/a"\]: it is not one of the models on offer: other/b'):
        model_prices(Settings(), file, ["other/b"])


def test_a_file_is_optional_until_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_config_file(Settings()) == ConfigFile()
    with pytest.raises(SettingsError, match=r"PARLEY_CONFIG: other\.toml cannot be read"):
        read_config_file(Settings(parley_config="other.toml"))
    (tmp_path / "parley.toml").write_text(GOOD)
    assert list(read_config_file(Settings()).plans) == ["free", "plus"]


def test_without_plans_the_settings_make_two():
    basic, pro = build_plans(Settings(basic_daily_limit=7), ConfigFile())
    assert (basic.name, basic.messages_per_day, pro.name, pro.prices) == ("basic", 7, "pro", (SANDBOX_PRICE,))
    _, pro = build_plans(Settings(stripe_secret_key="sk", stripe_price_id=("price_1",)), ConfigFile())
    assert pro.prices == ("price_1",)
    _, pro = build_plans(
        Settings(stripe_secret_key="sk", stripe_price_id=("price_2", "price_1", "price_2")), ConfigFile()
    )
    assert pro.prices == ("price_2", "price_1")
    with pytest.raises(SettingsError, match="STRIPE_PRICE_ID"):
        build_plans(Settings(stripe_secret_key="sk"), ConfigFile())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[plans.free", "my.toml: "),
        ("[plans.free]\nmessages = 3", "plans.*messages"),
        ("[plans.free]\nmessages_per_day = -1", "messages_per_day"),
        ('[plans.free]\nmessages_per_day = "many"', "messages_per_day"),
        ('[plans.Free]\ntitle = "Free"', "plans"),
        ('[plans.plus]\nprices = ["a b"]', "prices"),
        ("[plans.auto]", r"\[plans.auto\]: choose another name"),
        ("[plans.free]\ntokens_per_year = 1000", "plans.*tokens_per_year"),
        ('[plans.free]\nmodels = "gemini/*"', "plans.*models"),
        ('[plans.free]\n[plans.plus]\ntrial_days = 1000\nprices=["p"]', "trial_days"),
        ('[plans.plus]\nprices = ["p"]', "exactly one plan has no prices"),
        ("[plans.free]\n[plans.other]", "exactly one plan has no prices"),
        ('[plans.free]\n[plans.a]\nprices = ["p"]\n[plans.b]\nprices = ["p"]', "one plan only"),
        ('[providers.mine]\nbase_url = "ftp://x"\nmodels = ["a"]', "base_url"),
        ('[providers.mine]\nbase_url = "http://x"\nmodels = []', "models"),
        ('[providers.mine]\nbase_url = "http://x"\napi_key = "sk-plain"\nmodels = ["a"]', "api_key"),
        ('[prices."mine/a"]\ninput = 1', "prices.*output"),
        ('[prices."mine/a"]\ninput = -1\noutput = 1', "prices.*input"),
        ("[plans.free]\nmax_rooms = 0", "max_rooms"),
        ('[provider.mine]\nbase_url = "http://x"', "provider"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message) as refused:
        plans_of(written(tmp_path, text))
    assert "\n" not in str(refused.value)
    assert "sk-plain" not in str(refused.value)


@pytest.mark.parametrize("setting", [{"stripe_price_id": ("price_1",)}, {"basic_daily_limit": 6}])
def test_plans_in_both_places_are_refused(tmp_path, setting):
    written(tmp_path, GOOD)
    with pytest.raises(SettingsError, match=f"{next(iter(setting)).upper()}: .*parley.toml"):
        plans_of(Settings(parley_config=str(tmp_path / "my.toml"), **setting))


def test_providers_of_the_file_stand_beside_those_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_OF_MINE", "key")
    settings = written(tmp_path, GOOD)
    assert list(configured_providers(settings, read_config_file(settings))) == ["mine"]
    settings = Settings(parley_config=settings.parley_config, openai_api_key="sk", default_model="offline/echo")
    providers = configured_providers(settings, read_config_file(settings))
    assert list(providers) == ["openai", "mine", "offline"]
    assert providers["mine"].models == ("small", "large")


def test_a_key_comes_from_the_environment_or_a_file(tmp_path, monkeypatch):
    monkeypatch.delenv("KEY_OF_MINE", raising=False)
    settings = written(tmp_path, GOOD)
    with pytest.raises(SettingsError, match=r"\[providers.mine\] api_key: env:KEY_OF_MINE is not set"):
        configured_providers(settings, read_config_file(settings))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KEY_OF_MINE=key\n")
    assert list(configured_providers(settings, read_config_file(settings))) == ["mine"]
    (tmp_path / "key").write_text("key\n")
    settings = written(tmp_path, GOOD.replace("env:KEY_OF_MINE", f"file:{tmp_path}/key"))
    assert list(configured_providers(settings, read_config_file(settings))) == ["mine"]
    settings = written(tmp_path, GOOD.replace("env:KEY_OF_MINE", f"file:{tmp_path}/none"))
    with pytest.raises(SettingsError, match="cannot be read"):
        configured_providers(settings, read_config_file(settings))


def test_a_provider_that_is_there_twice_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_OF_MINE", "key")
    settings = written(tmp_path, GOOD.replace("providers.mine", "providers.openai"))
    settings = Settings(parley_config=settings.parley_config, openai_api_key="sk")
    with pytest.raises(SettingsError, match=r"\[providers.openai\]"):
        configured_providers(settings, read_config_file(settings))


def test_the_documented_files_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE_KEY", "key")
    page = (Path(__file__).parents[3] / "docs" / "plans.md").read_text(encoding="utf-8")
    plans, providers = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    settings = written(tmp_path, f"{plans}\n{providers}")
    assert [plan.name for plan in plans_of(settings)] == ["free", "plus", "pro"]
    assert list(configured_providers(settings, read_config_file(settings))) == ["mine"]
