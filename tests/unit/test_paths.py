"""Paths as users write them: a home that nobody has is told, with what was set to it."""

import pytest

from engine import record
from engine.config import Settings
from engine.errors import ConfigError
from engine.models import store
from engine.paths import expanded
from engine.verification.confinement import openings_of
from engine.verification.interpreter import find_interpreter

NOBODY = "~no-such-user-here/place"


@pytest.mark.parametrize(
    ("variable", "folder"), [("GREENFINCH_RUNS", record.folder), ("GREENFINCH_MODELS", store.folder)]
)
def test_of_the_environment(monkeypatch, variable, folder):
    monkeypatch.setenv(variable, NOBODY)
    with pytest.raises(ConfigError, match=rf"{variable} is '{NOBODY}'"):
        folder()


@pytest.mark.parametrize("setting", ["test_read", "test_write"])
def test_of_what_is_opened_to_tests(setting):
    with pytest.raises(ConfigError, match=rf"`{setting}` is '{NOBODY}'"):
        openings_of(Settings().updated({setting: [NOBODY]}, source="test"))


@pytest.mark.anyio
async def test_of_the_python_that_is_set_but_not_of_places_where_one_might_be(tmp_path):
    with pytest.raises(ConfigError, match=f"`python` is '{NOBODY}'"):
        await find_interpreter(tmp_path, tmp_path, setting=NOBODY)
    found = await find_interpreter(tmp_path, tmp_path, hint=NOBODY)
    assert found.source != "editor"


def test_the_home_that_there_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/models", "it") == tmp_path / "models"
    assert expanded("~root", "it").is_absolute()
