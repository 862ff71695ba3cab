"""The settings of a process."""

from parley.settings.config_file import ConfigFile, PlanTable, PriceTable, ProviderTable, read_config_file
from parley.settings.model import SECRETS, Settings, SettingsError
from parley.settings.read import read_secret, read_settings

__all__ = [
    "SECRETS",
    "ConfigFile",
    "PlanTable",
    "PriceTable",
    "ProviderTable",
    "Settings",
    "SettingsError",
    "read_config_file",
    "read_secret",
    "read_settings",
]
