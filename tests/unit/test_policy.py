"""The policy, by property: whatever candidates do, every search ends, within its budgets, and no pass is lost."""

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.search import POLICIES, Attempt, Everything, Full, Repair, Sample, State, decide

ENDINGS = ["refused", "same", "failed", "failed", "failed", "passed"]
TESTS = 4
EXAMPLES = 40


class Search:
    """A search whose candidates do whatever Hypothesis likes: the state after each thing that happens."""

    def __init__(self, policy, state, draw):
        self.policy, self.state, self.draw = policy, state, draw
        self.log = []
        self.ever_passed = set()

    def step(self):
        step = decide(self.policy, self.state)
        assert decide(self.policy, self.state) == step  # equal states, equal decisions
        attempts = list(self.state.attempts)
        for decision in step.start:
            attempts.append(Attempt(len(attempts) + 1, "sampling", decision))
        self.state = evolve(self.state, attempts=tuple(attempts))
        self.log.append(step)
        return step

    def happen(self):
        """One running candidate comes one stage further, at some cost."""
        running = [a for a in self.state.attempts if a.running]
        chosen = self.draw(st.sampled_from(running))
        spent = self.draw(st.floats(0, 5))
        seconds = self.state.seconds + spent
        wh = self.state.watt_hours + spent * self.draw(st.floats(0, 0.01))
        if chosen.status == "sampling":
            most = chosen.decision.tokens
            tokens = self.draw(st.integers(min(1, most), most))
            ending = self.draw(st.sampled_from(["testing", "testing", "refused", "same"]))
            same = chosen.number - 1 or None if ending == "same" else None
            after = evolve(chosen, status="refused" if ending == "same" else ending, same_as=same, tokens=tokens)
        else:
            ending = self.draw(st.sampled_from(["failed", "failed", "failed", "passed"]))
            vector = tuple(self.draw(st.lists(st.booleans(), min_size=TESTS, max_size=TESTS)))
            vector = (True,) * TESTS if ending == "passed" else (*vector[1:], False)
            after = evolve(chosen, status=ending, vector=vector, failed_fast=self.draw(st.booleans()))
        if not after.running:
            after = evolve(after, seconds=spent, ended=seconds)
        if after.status == "passed":
            self.ever_passed.add(after.number)
        attempts = tuple(after if a.number == after.number else a for a in self.state.attempts)
        self.state = evolve(self.state, attempts=attempts, seconds=seconds, watt_hours=wh)

    def suspect(self):
        """It was over, and what has passed may seem to be fitted to its tests.  What was sampled is dropped, and what
        was in its tests comes there again.
        """
        passed = {a.number for a in self.state.passed if not a.suspected}
        if not passed or not self.draw(st.booleans()):
            return False
        seconds = self.state.seconds + self.draw(st.floats(0, 20))
        attempts = (evolve(a, status="dropped") if a.status == "sampling" else a for a in self.state.attempts)
        attempts = tuple(evolve(a, suspected_at=seconds) if a.number in passed else a for a in attempts)
        self.state = evolve(self.state, attempts=attempts, seconds=seconds)
        return True

    def run(self, watch=lambda before, step: None):
        for _ in range(400):
            before = self.state
            step = self.step()
            watch(before, step)
            if step.over and not self.suspect():
                return
            if not step.over:
                self.happen()
        pytest.fail("the search did not end")


@st.composite
def searches(draw, names=tuple(POLICIES)):
    policies = {
        **POLICIES,
        "bare full": Full(False, repairs=False, variants=False),
        "everything": Everything(4, 1, 2, 1),
    }
    policy = policies[draw(st.sampled_from(sorted({*names, *(() if names != tuple(POLICIES) else policies)})))]
    own = draw(st.booleans())
    attempts = (Attempt(1, "failed", None, (True, False, False, False), draw(st.booleans())),) if own else ()
    state = State(
        attempts,
        limit=draw(st.integers(1, 24)),
        width=draw(st.integers(1, 6)),
        temperature=0.8,
        backlog=draw(st.sampled_from([0, 1, 5])),
        tokens_each=draw(st.integers(8, 600)),
        budget_seconds=draw(st.sampled_from([0.0, 3.0, 40.0])),
        budget_tokens=draw(st.sampled_from([0, 20, 700, 5000])),
        budget_wh=draw(st.sampled_from([0.0, 0.02, 1.0])),
        larger=draw(st.booleans()),
        parameters=draw(st.sampled_from([0, 494_000_000, 7_000_000_000])),
        seed=draw(st.integers(0, 99)),
    )
    return Search(policy, state, draw)


@given(searches())
@settings(deadline=None, max_examples=EXAMPLES)
def test_every_search_ends_within_its_limits_and_budgets(search):
    def watch(before, step):
        state = search.state
        assert len(state.sampled) <= state.limit
        assert state.sampling <= state.width
        assert state.running <= (state.backlog or state.limit)
        if state.budget_tokens:  # even if each candidate costs as much as it may
            assert state.committed <= state.budget_tokens
        if before.spent:
            assert step.over
            assert not step.start

    search.run(watch)
    if search.state.budget_tokens:
        assert sum(a.tokens for a in search.state.attempts) <= search.state.budget_tokens


@given(searches())
@settings(deadline=None, max_examples=EXAMPLES)
def test_nothing_is_decided_twice_without_new_evidence(search):
    def watch(before, step):
        if not step.over:
            assert decide(search.policy, search.state).start == ()  # what was wanted is under way
        greedy = [d for d in (a.decision for a in search.state.sampled) if isinstance(d, Sample) and d.temperature == 0]
        assert len({(d.variant, d.larger) for d in greedy}) == len(greedy)  # it would be the same text
        if isinstance(search.policy, Everything):
            return  # records several repairs of one parent on purpose
        parents = [a.parent for a in search.state.attempts if a.parent is not None and a.running]
        assert len(set(parents)) == len(parents)  # the first repair's outcome is not known yet

    search.run(watch)


@given(searches(("full",)))
@settings(deadline=None, max_examples=EXAMPLES)
def test_a_parent_is_given_up_when_repairs_bring_nothing_new(search):
    search.run()
    for parent in search.state.attempts:
        repairs = [a for a in search.state.attempts if a.parent == parent.number and not a.decision.larger]
        ended = [a for a in repairs if not a.running]
        assert sum(a.status == "refused" or a.vector == parent.vector for a in ended) <= 2
        assert not repairs or parent.status == "failed"


@given(searches())
@settings(deadline=None, max_examples=EXAMPLES)
def test_a_pass_is_never_lost(search):
    """Once a candidate has passed, the search ends with it among those that passed, and soon."""
    started_after_pass = []

    def watch(before, step):
        if any(not a.suspected for a in before.passed) and not isinstance(search.policy, Everything):
            started_after_pass.extend(step.start)
            assert all(isinstance(d, Sample) for d in step.start)

    search.run(watch)
    assert {a.number for a in search.state.passed} == search.ever_passed
    if search.ever_passed and not isinstance(search.policy, Everything | Full):
        assert started_after_pass == []


@given(searches(("full",)))
@settings(deadline=None, max_examples=EXAMPLES)
def test_other_prompts_come_only_after_plain_samples_have_failed(search):
    def watch(before, step):
        if any(isinstance(d, Sample) and d.variant != "plain" for d in step.start):
            plain = [a for a in before.sampled if isinstance(a.decision, Sample) and a.decision.variant == "plain"]
            assert sum(a.status in {"failed", "refused"} for a in plain) >= 2

    search.run(watch)


def state(*attempts, limit=8, width=4, **more):
    return State(attempts, limit, width, 0.8, **more)


def failed(number, *vector, parent=None, **more):
    decision = Sample(0.8) if parent is None else Repair(parent, 0.8)
    return Attempt(number, "failed", decision, tuple(map(bool, vector)), ended=number, **more)


def start(policy, given):
    """What it starts, whatever the manner."""
    decisions = decide(POLICIES[policy] if isinstance(policy, str) else policy, given).start
    return tuple(evolve(decision, terse=False, distinct=False) for decision in decisions)


def test_every_strategy_but_plan_and_repair_starts_with_the_greedy_candidate():
    for name in ("greedy", "best-of-n", "full"):
        assert start(name, state())[0] == Sample(0.0)
    assert start("plan+repair", state()) == (Sample(0.8, "plan"),) * 3


def test_whatever_full_starts_is_without_comments_and_new_unless_that_is_switched_off():
    passed = Attempt(2, "passed", Sample(0.8), (True,) * 3, ended=2.0)
    for known in (state(), state(failed(1, 0, 0, failed_fast=True)), state(failed(1, 0), passed, seconds=2.0)):
        for manner in ((True, True), (False, True), (True, False)):
            decisions = decide(Full(terse=manner[0], distinct=manner[1]), known).start
            assert decisions
            assert {(decision.terse, decision.distinct) for decision in decisions} == {manner}
    for name in ("greedy", "best-of-n", "plan+repair"):
        assert {(d.terse, d.distinct) for d in decide(POLICIES[name], state()).start} == {(False, False)}


def test_full_samples_the_greedy_candidate_alone_until_it_is_tested_or_long():
    greedy = Attempt(1, "sampling", Sample(0.0))
    assert start("full", state(greedy)) == ()
    assert start("full", state(evolve(greedy, tokens=Full().alone - 1))) == ()
    assert start("full", state(evolve(greedy, tokens=Full().alone))) == (Sample(0.8),) * 3
    assert start("full", state(evolve(greedy, status="testing"))) == (Sample(0.8),) * 4
    assert len(start(Full(alone=0), state())) == 4


def test_full_mends_at_once_what_is_easily_mended():
    given = state(failed(1, 0, 0, failed_fast=True), failed(2, 1, 0))
    assert start("full", given)[0] == Repair(1, 0.8)
    assert start(Full(mend=False), given)[0] == Sample(0.8)


def test_a_small_model_mends_nothing_but_the_body_that_is_there():
    broken = failed(1, 0, 0, failed_fast=True)
    known = state(broken, *(failed(n, 1, n % 2) for n in range(2, 12)), limit=40, parameters=494_000_000)
    for seed in range(40):
        for decision in start(Full(plain=0.1), evolve(known, seed=seed)):
            assert decision == Sample(0.8)
    assert start("full", evolve(known, parameters=1_540_000_000))[0] == Repair(1, 0.8)
    assert start(Full(small=0), known)[0] == Repair(1, 0.8)
    own = Attempt(1, "failed", None, (True, False))
    assert start("full", state(own, parameters=494_000_000)) == (Repair(1, 0.0), Sample(0.0))
    drawn = {d for seed in range(40) for d in start(Full(plain=0.1), state(
        own, *(failed(n, 0, 0) for n in range(2, 12)), limit=40, seed=seed, parameters=494_000_000))}  # fmt: skip
    assert drawn == {Sample(0.8), Repair(1, 0.8)}
    larger = state(
        *(failed(n, 0, 1) for n in range(1, 8)), Attempt(8, "failed", Sample(0.0, larger=True), (False, False))
    )
    assert start("full", evolve(larger, limit=10, larger=True, parameters=494_000_000)) == (
        Repair(1, 0.8, larger=True),
    )


def test_one_parent_stands_for_all_that_pass_the_same_tests():
    given = state(*(failed(n, 1, 1, 1, 0) for n in range(1, 7)), failed(7, 1, 0, 0, 1), limit=40)
    drawn = {
        d.parent
        for seed in range(60)
        for d in start(Full(plain=0.1), evolve(given, seed=seed))
        if isinstance(d, Repair)
    }
    assert drawn == {1, 7}


def test_parents_that_pass_more_are_drawn_more_often():
    given = state(failed(1, 1, 1, 1, 0), failed(2, 0, 0, 0, 0), limit=40)
    drawn = [d.parent for seed in range(200) for d in start(Full(plain=0.05), evolve(given, seed=seed, width=1))
             if isinstance(d, Repair)]  # fmt: skip
    assert drawn.count(1) > 2 * drawn.count(2)


def test_where_no_repair_has_brought_anything_new_there_are_no_more():
    parents = [failed(n, *(bit == n for bit in range(1, 6))) for n in range(1, 6)]
    echoes = [evolve(failed(5 + n, parent=n), status="refused", same_as=n, vector=()) for n in range(1, 5)]
    given = state(*parents, *echoes, limit=60)

    def repairs(of):
        return [
            d for seed in range(60) for d in start(Full(plain=0.05), evolve(of, seed=seed)) if isinstance(d, Repair)
        ]

    assert not repairs(given)
    assert repairs(state(*parents, *echoes[:3], limit=60))
    new = evolve(echoes[3], status="failed", same_as=None, vector=(True, True, False, False, False))
    assert repairs(state(*parents, *echoes[:3], new, limit=60))


def test_when_samples_only_repeat_each_other_they_become_hotter():
    same = (evolve(failed(n), status="refused", same_as=1) for n in range(2, 6))
    given = state(failed(1, 0, 0), *same, limit=40)
    decisions = [d for seed in range(50) for d in start("full", evolve(given, seed=seed))]
    assert Sample(0.8) not in decisions
    assert Sample(0.8 + 0.3) in decisions


def test_after_a_pass_siblings_may_end_and_a_few_more_are_bought():
    passed = Attempt(1, "passed", Sample(0.0), (True,) * 3, ended=2.0)
    assert start("full", state(passed, seconds=2.0)) == (Sample(0.8),) * 2
    two = state(passed, Attempt(2, "sampling", Sample(0.8)), Attempt(3, "sampling", Sample(0.8)), seconds=2.0)
    assert decide(POLICIES["full"], two).start == ()
    assert not decide(POLICIES["full"], two).over
    assert decide(POLICIES["full"], evolve(two, seconds=30.0)).over  # patience has an end
    many = evolve(passed, vector=(True,) * 30)
    assert decide(POLICIES["full"], state(many, seconds=2.0)).over  # thirty tests leave little open


def test_siblings_are_not_waited_for_when_a_winner_could_not_be_confirmed_in_time():
    passed = Attempt(1, "passed", Sample(0.0), (True,) * 3, ended=26.0)
    waiting = state(passed, Attempt(2, "sampling", Sample(0.8)), seconds=26.5, budget_seconds=30.0, test_seconds=0.5)
    assert not decide(POLICIES["full"], waiting).over
    assert decide(POLICIES["full"], evolve(waiting, test_seconds=0.7)).over
    assert decide(POLICIES["full"], evolve(waiting, seconds=27.0)).over
    assert not decide(POLICIES["full"], evolve(waiting, budget_seconds=0.0)).over


def test_what_the_model_is_sure_of_needs_no_second_candidate_beside_it():
    passed = Attempt(1, "passed", Sample(0.0), (True,) * 3, logprob=-1.0, ended=2.0)
    assert decide(POLICIES["full"], state(passed, seconds=2.0)).over
    assert not decide(POLICIES["full"], state(evolve(passed, logprob=-5.0), seconds=2.0)).over


def test_past_a_passer_that_seems_fitted_to_the_tests_the_search_goes_on_for_a_while():
    passed = Attempt(1, "passed", Sample(0.0), (True,) * 3, logprob=-1.0, suspected_at=2.5, ended=2.0)
    assert start("full", state(passed, seconds=3.0)) == (Sample(0.8),) * 4
    mendable = state(passed, failed(2, 1, 0, 0, failed_fast=True), seconds=3.0)
    assert start("full", mendable)[0] == Repair(2, 0.8)  # as if nothing had passed
    assert decide(POLICIES["full"], state(passed, seconds=2.5 + Full().patience_most)).over
    others = (evolve(passed, number=2), evolve(passed, number=3))
    assert decide(POLICIES["full"], state(passed, *others, seconds=3.0)).over  # the question may be such
    honest = evolve(passed, number=2, suspected_at=None, ended=3.0)
    assert decide(POLICIES["full"], state(passed, honest, seconds=3.0)).over
    unlikely = evolve(honest, logprob=-9.0)
    assert start("full", state(passed, unlikely, seconds=3.0)) == (Sample(0.8),) * 2  # the fitted one counts for none
    for name in ("greedy", "best-of-n", "plan+repair"):
        assert decide(POLICIES[name], state(passed, seconds=3.0)).over


def test_what_repeats_a_passer_speaks_for_it_as_a_further_passer_would():
    passed = Attempt(1, "passed", Sample(0.0), (True,) * 3, ended=2.0)
    again = Attempt(2, "refused", Sample(0.8), same_as=1, ended=3.0)
    assert start("full", state(passed, again, seconds=3.0)) == (Sample(0.8),)
    assert decide(POLICIES["full"], state(passed, again, evolve(again, number=3), seconds=3.0)).over
    other = Attempt(4, "testing", Sample(0.8))
    assert not decide(POLICIES["full"], state(passed, again, evolve(again, number=3), other, seconds=3.0)).over
    wrong = evolve(failed(2, 0, 0, 0), number=2)
    assert not decide(POLICIES["full"], state(passed, wrong, evolve(again, number=3, same_as=2), seconds=3.0)).over


def test_a_body_that_is_there_is_the_first_parent():
    own = Attempt(1, "failed", None, (True, False))
    assert start("full", state(own)) == (Repair(1, 0.0), Sample(0.0))


def test_the_larger_model_comes_at_the_end_and_alone():
    small = [failed(n, 0, 1) for n in range(1, 7)]
    assert start("full", state(*small, larger=True)) == (Sample(0.0, larger=True),)
    more = (*small, Attempt(7, "failed", Sample(0.0, larger=True), (False, False)))
    assert start("full", state(*more, larger=True)) == (Repair(1, 0.8, larger=True),)
    assert not any(d.larger for d in start("full", state(*small)))


def test_vectors_are_wanted_as_long_as_there_are_few_or_tests_are_cheap():
    few = state(failed(1, 1, 0), failed(2, 1, 0), test_seconds=9.0)
    many = state(*(failed(n, 1, 0, seconds=4.0) for n in range(1, 5)), test_seconds=9.0)
    assert POLICIES["full"].wants_vector(few)
    assert not POLICIES["full"].wants_vector(many)
    assert POLICIES["full"].wants_vector(evolve(many, test_seconds=0.1))
    assert not POLICIES["best-of-n"].wants_vector(few)
