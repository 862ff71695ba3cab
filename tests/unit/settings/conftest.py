import pytest

from parley.settings import Settings, SettingsError, read_settings


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def read(folder):
    def from_environment(**environment: str) -> Settings:
        return read_settings(environment, dotenv=folder / ".env")

    return from_environment


@pytest.fixture
def refused(read):
    def refusal(**environment: str) -> str:
        with pytest.raises(SettingsError) as error:
            read(**environment)
        message = str(error.value)
        assert "\n" not in message
        return message

    return refusal
