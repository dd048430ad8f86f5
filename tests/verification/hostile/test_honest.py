"""Honest implementations that do unusual things are accepted."""

import pytest
from verification.hostile.kits import Candidate, candidates, judged

pytestmark = pytest.mark.anyio

HONEST = candidates("honest")
REPRESENTATIVE = {"runs_the_interpreter"}


def test_there_are_enough_of_them():
    assert len(HONEST) >= 15
    assert {candidate.name for candidate in HONEST} >= REPRESENTATIVE


@pytest.mark.parametrize(
    "candidate",
    [pytest.param(c, id=c.name, marks=() if c.name in REPRESENTATIVE else pytest.mark.slow) for c in HONEST],
)
async def test_an_honest_odd_one_is_accepted(candidate: Candidate, tmp_path):
    judgement = await judged(candidate, tmp_path / "work")
    assert judgement.accepted, judgement.reason
    assert not judgement.overfit_suspect
    assert judgement.decided_by in {"split", "twin"}
