"""The policy: verdicts and costs in, decisions out.

Pure: no I/O, no clock, no randomness but from a seed, so that it can be tested by property and replayed over records.
"""

from engine.search.choice import Choice, Passer, choose, distinguishing, stands_alone
from engine.search.full import Full
from engine.search.policy import LEAST_TOKENS, POLICIES, Everything, Policy, decide
from engine.search.state import VARIANTS, WIDTH, Attempt, Decision, Repair, Sample, State, Step, Variant, width_after

__all__ = [
    "LEAST_TOKENS",
    "POLICIES",
    "VARIANTS",
    "WIDTH",
    "Attempt",
    "Choice",
    "Decision",
    "Everything",
    "Full",
    "Passer",
    "Policy",
    "Repair",
    "Sample",
    "State",
    "Step",
    "Variant",
    "choose",
    "decide",
    "distinguishing",
    "stands_alone",
    "width_after",
]
