"""Wrong candidates that were written to be called passing: none is.

The quick ones run always, one of each kind; all of them with `-m slow`.
"""

import pytest
from verification.hostile.kits import Candidate, candidates, judged

pytestmark = pytest.mark.anyio

FORGING = candidates("forging")
REPRESENTATIVE = {
    "exit_at_call",
    "equal_at_second_sight",
    "hidden_in_arguments",
    "table_by_hash",
    "module_exit_on_import",
}


def test_there_are_enough_of_them():
    inside = [candidate for candidate in FORGING if candidate.replace == "target"]
    assert len(FORGING) >= 45
    assert len(inside) >= len(FORGING) / 2
    assert {candidate.name for candidate in FORGING} >= REPRESENTATIVE


@pytest.mark.parametrize(
    "candidate",
    [pytest.param(c, id=c.name, marks=() if c.name in REPRESENTATIVE else pytest.mark.slow) for c in FORGING],
)
async def test_a_forging_candidate_is_not_accepted(candidate: Candidate, tmp_path):
    judgement = await judged(candidate, tmp_path / "work")
    if candidate.overfit:
        assert not judgement.accepted or judgement.overfit_suspect, candidate.aim
    else:
        assert not judgement.accepted, candidate.aim
        assert judgement.reason
