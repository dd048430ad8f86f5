"""Turns a target, its surroundings and its judge into chat messages.

On a CPU a long prompt costs more than a candidate, so everything here is short, and what all candidates of a run
share comes first and never changes, for the host to cache.
"""

from engine.prompting.messages import PARTS, Prompt, build_prompt
from engine.prompting.related import readable, related_context

__all__ = ["PARTS", "Prompt", "build_prompt", "readable", "related_context"]
