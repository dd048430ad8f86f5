"""Random schedules against the real server; see `schedules`.

The long form, ten thousand steps, and what came of them:

    GREENFINCH_SCHEDULE_STEPS=10000 GREENFINCH_SCHEDULE_SEED=random pytest -m slow -s tests/faults/test_schedules.py
"""

from __future__ import annotations

import os
import random

import pytest
from faults.schedules import Schedule, tally
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

STEPS = int(os.environ.get("GREENFINCH_SCHEDULE_STEPS", "60"))
SEED = os.environ.get("GREENFINCH_SCHEDULE_SEED", "1")
A_SERVER = 50 if STEPS >= 1000 else 25
# Lives are of different lengths, and there are so many of them that they come to STEPS at least.  Real processes do not
# repeat themselves to the step, so that what fails is shown as it was; with SHRINK a shorter way there is tried.
SHRINK = (Phase.shrink,) if os.environ.get("GREENFINCH_SCHEDULE_SHRINK") else ()


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_no_order_of_events_hurts():
    chosen = random.randrange(2**32) if SEED == "random" else int(SEED)
    print(f"\nseed {chosen}")
    tally.clear()
    profile = settings(
        max_examples=max(2, 4 * STEPS // (3 * A_SERVER)), stateful_step_count=A_SERVER, deadline=None, database=None,
        phases=(Phase.generate, *SHRINK), suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(chosen)(Schedule), settings=profile)
    finally:
        print("\n".join(f"{count:6} {what}" for what, count in sorted(tally.items())))
