"""REDIS_URL and REDIS_PREFIX: what is accepted, and what would have no effect."""

import pytest

from tests.unit.settings.given import POSTGRES, SECRET

SHARED = POSTGRES | {"JWT_SECRET": SECRET}


@pytest.fixture
def authority(folder) -> str:
    file = folder / "ca.pem"
    file.write_text("a certificate", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://redis:6379",
        "redis://redis:6379/",
        "redis://redis:6379/15",
        "redis://parley:hunter2@redis:6379/0",
        "rediss://:hunter2@redis:6380/0",
        "rediss://redis/0?ssl_cert_reqs=none",
        "rediss://redis/0?ssl_cert_reqs=required&ssl_check_hostname=false",
        "unix:///run/redis.sock",
        "unix://parley:hunter2@/run/redis.sock?db=3",
    ],
)
def test_an_address_without_superfluous_parts_is_accepted(read, url):
    assert read(**SHARED, REDIS_URL=url).redis_url == url


def test_files_of_certificates_are_accepted_where_they_exist(read, authority):
    url = f"rediss://redis/0?ssl_ca_certs={authority}&ssl_certfile={authority}&ssl_keyfile={authority}"
    assert read(**SHARED, REDIS_URL=url).redis_url == url


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("redis://:hunter2@redis/parley", "number of a database"),
        ("redis://:hunter2@redis/0/1", "number of a database"),
        ("redis://:hunter2@redis/0?db=2", "leave all out"),
        ("redis://:hunter2@redis/0?ssl_cert_reqs=none", "leave all out"),
        ("redis://:hunter2@redis/0?hunter2=1", "leave all out"),
        ("rediss://:hunter2@redis/0?socket_timeout=60", "ssl_ca_certs"),
        ("rediss://:hunter2@redis/0?protocol=3", "ssl_ca_certs"),
        ("rediss://:hunter2@redis/0?sslmode=require", "ssl_ca_certs"),
        ("rediss://:hunter2@redis/0?ssl_cert_reqs=hunter2", "required or none"),
        ("rediss://:hunter2@redis/0?ssl_check_hostname=hunter2", "true or false"),
        ("rediss://:hunter2@redis/0?ssl_ca_certs=/hunter2.pem", "no file"),
        ("unix://", "path of the socket"),
        ("unix:///run/redis.sock?db=hunter2", "number of a database"),
        ("unix:///run/redis.sock?ssl_cert_reqs=none", "number of the database"),
        ("redis", "begin with redis://"),
        ("http://redis", "begin with redis://"),
    ],
)
def test_a_part_that_would_have_no_effect_is_refused_without_its_value(refused, url, hint):
    message = refused(**SHARED, REDIS_URL=url)
    assert message.startswith("REDIS_URL: ")
    assert hint in message
    assert "hunter2" not in message


@pytest.mark.parametrize("prefix", ["", "staging:", "acme.eu-1_a:"])
def test_a_prefix_of_plain_characters_is_accepted(read, prefix):
    assert read(**SHARED, REDIS_PREFIX=prefix).redis_prefix == prefix


@pytest.mark.parametrize("prefix", ["a*", "{a}", "a b", "ä:", "a" * 65])
def test_a_prefix_that_patterns_or_slots_would_read_otherwise_is_refused(refused, prefix):
    assert refused(**SHARED, REDIS_PREFIX=prefix).startswith("REDIS_PREFIX: ")
