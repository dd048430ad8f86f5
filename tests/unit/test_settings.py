"""Settings: one declaration, several sources, and a clear word for what cannot be used."""

from pathlib import Path

import pytest
from attrs import fields

from engine.config import Settings
from engine.errors import ConfigError
from engine.settings_docs import table


@pytest.fixture(autouse=True)
def own_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GREENFINCH_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def test_the_environment_overrides_the_users_file(own_file):
    own_file.write_text('model = "a"\nbudget_seconds = 5\ntest_args = ["-x"]\n')
    settings = Settings.load({"GREENFINCH_MODEL": "b"})
    assert (settings.model, settings.budget_seconds, settings.test_args) == ("b", 5.0, ("-x",))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"modle": "x"}, "no setting 'modle'"),
        ({"candidates": "many"}, "candidates cannot be 'many'"),
        ({"candidates": 0}, "out of range"),
        ({"candidates": True}, "candidates cannot be True"),
        ({"strategy": "luck"}, "out of range"),
        ({"test_args": "-x"}, "test_args cannot be '-x'"),
        ({"budget_seconds": float("nan")}, "out of range"),
        ({"temperature": float("inf")}, "finite"),
        ({"temperature": 2.5}, "out of range"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_source(values, told):
    with pytest.raises(ConfigError) as caught:
        Settings().updated(values, source="the editor")
    assert told in str(caught.value)
    assert "the editor" in str(caught.value)


def test_none_leaves_a_setting_as_it_is():
    assert Settings().updated({"model": None}, source="x") == Settings()


def test_a_broken_file_is_named(own_file):
    own_file.write_text("model = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        Settings.load({})


def test_a_file_that_may_not_be_read_is_named(own_file, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(own_file))

    own_file.write_text("")
    monkeypatch.setattr(Path, "read_text", refuse)  # the tests' user may be one whom no permission stops
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read: Permission denied"):
        Settings.load({})


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999"])
def test_numbers_in_the_environment_are_finite(value):
    for attribute in fields(Settings):
        if isinstance(attribute.default, float):
            with pytest.raises(ConfigError, match=attribute.name.upper()):
                Settings.load({f"GREENFINCH_{attribute.name.upper()}": value})


def test_a_number_in_the_environment_is_read_as_one():
    assert Settings.load({"GREENFINCH_CANDIDATES": "3"}).candidates == 3
    with pytest.raises(ConfigError, match="GREENFINCH_CANDIDATES"):
        Settings.load({"GREENFINCH_CANDIDATES": "three"})


def test_the_docs_table_names_every_setting():
    assert all(f"`{name}`" in table() for name in ("model", "python", "budget_seconds"))
