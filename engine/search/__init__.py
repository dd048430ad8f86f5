"""The policy: verdicts and costs in, decisions out.

Pure: no I/O, no clock, no randomness of its own, so that it can be tested by property and replayed over records.
"""

from engine.search.policy import STRATEGIES, Attempt, Decision, Repair, Sample, State, decide

__all__ = ["STRATEGIES", "Attempt", "Decision", "Repair", "Sample", "State", "decide"]
