"""Tests see the user's environment without what looks like a secret."""

from pathlib import Path

import pytest

from engine.verification.environment import clean_environment, is_secret


@pytest.mark.parametrize(
    "name",
    ["GITHUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "SSH_AUTH_SOCK", "DB_PASSPHRASE",
     "GOOGLE_APPLICATION_CREDENTIALS", "DBUS_SESSION_BUS_ADDRESS", "npm_config_token", "GREENFINCH_ENDPOINT"],
)  # fmt: skip
def test_secrets_are_left_out(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["PATH", "LANG", "DJANGO_SETTINGS_MODULE", "TOKENIZERS_PARALLELISM", "PYTEST_ADDOPTS"])
def test_what_tests_need_is_kept(name):
    assert not is_secret(name, "value")


def test_an_address_with_a_password_in_it_is_a_secret():
    assert is_secret("DATABASE_URL", "postgres://me:word@host/db")
    assert not is_secret("DATABASE_URL", "sqlite:///test.db")


def test_the_tests_python_comes_first_on_the_path_as_if_activated():
    found = clean_environment(Path("/env"), Path("/env/bin/python"), {"PATH": "/usr/bin", "VIRTUAL_ENV": "/other"})
    assert found["PATH"] == "/env/bin:/usr/bin"
    assert found["VIRTUAL_ENV"] == "/env"
    assert found["PYTHONDONTWRITEBYTECODE"] == "1" and found["OMP_NUM_THREADS"] == "1"
    assert "PYTHONHASHSEED" not in found


def test_a_setting_lets_single_variables_through_that_look_like_secrets():
    given = {"TEST_DATABASE_PASSWORD": "word", "OTHER_PASSWORD": "word"}
    found = clean_environment(environment=given, passed=["TEST_DATABASE_PASSWORD"])
    assert found["TEST_DATABASE_PASSWORD"] == "word" and "OTHER_PASSWORD" not in found
