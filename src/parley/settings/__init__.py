"""The settings of a process."""

from parley.settings.model import SECRETS, Settings, SettingsError
from parley.settings.read import read_settings

__all__ = ["SECRETS", "Settings", "SettingsError", "read_settings"]
