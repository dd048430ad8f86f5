"""Which generator the settings mean."""

from __future__ import annotations

import os
from pathlib import Path

from engine.config import Settings
from engine.generation.base import Generator

SCRIPT_VARIABLE = "GREENFINCH_SCRIPT"  # tests set it; see `scripted`


def make_generator(settings: Settings) -> Generator:
    """The generator for `settings`.  Nothing is started yet; that is what `prepare` is for.

    Raises:
        ConfigError: the endpoint, or the script, cannot be used.
    """
    if script := os.environ.get(SCRIPT_VARIABLE):
        from engine.generation.scripted import ScriptedGenerator

        return ScriptedGenerator.load(Path(script))
    if settings.servers:
        from engine.generation.pool import PoolGenerator

        return PoolGenerator.of(settings)
    from engine.generation.local import LocalGenerator

    return LocalGenerator(settings)
