"""Replays over pools: no model, the same policy code, and figures that mean what they say."""

import json

import pytest
from attrs import evolve
from search.pools import made_pool, made_run

from engine.bench import pool, replays
from engine.bench.policies import FIXED, left_out, policy_named
from engine.bench.simulate import Machine, chosen, replay
from engine.bench.statistics import bootstrap, by_problem, difference
from engine.config import Settings
from engine.errors import ConfigError

MACHINE = Machine(seconds=60.0, limit=16)


def test_a_replay_is_the_same_each_time_and_another_with_another_seed():
    run = made_run(1, 0.3)
    policy = policy_named("full")
    assert replay(policy, run, MACHINE, 1) == replay(policy, run, MACHINE, 1)
    assert len({replay(policy, run, MACHINE, seed).seconds for seed in range(8)}) > 1


def test_a_replay_keeps_to_its_budget():
    for number in range(12):
        found = replay(policy_named("full"), made_run(number, 0.0), evolve(MACHINE, seconds=9.0, limit=500), 0)
        assert not found.solved
        assert found.seconds == pytest.approx(9.0)


def test_a_replay_samples_as_many_as_a_run_may_and_more_at_once_the_more_have_failed(monkeypatch):
    assert Machine().limit == Settings().candidates
    asked = []
    policy = policy_named("best-of-n")
    monkeypatch.setattr(type(policy), "wanted", lambda self, state: asked.append(state) or self.next(state))
    replay(policy, made_run(5, 0.0, samples=60), evolve(MACHINE, seconds=300.0, limit=60), 0)
    assert {state.width for state in asked} == {4, 8, 12, 16}
    assert max(state.sampling for state in asked) > 8


def test_a_prompt_is_read_once_and_before_what_begins_with_it():
    run = made_run(0, 1.0)
    reading = run.prompt_chars / 3.5 / 10  # seconds
    slow = evolve(MACHINE, reading=10.0, seconds=300.0)
    for policy in ("greedy", "best-of-n"):
        quick = replay(policy_named(policy), run, evolve(slow, reading=1e9), 0)
        assert replay(policy_named(policy), run, slow, 0).seconds - quick.seconds == pytest.approx(reading)


def test_a_policy_is_replayed_with_samples_of_its_own_manner_where_there_are_any():
    def in_manner(terse: bool, share: float):
        run = made_run(0, share)
        drawn = tuple(evolve(each, terse=terse, distinct=terse) for each in run.candidates)
        return evolve(run, candidates=drawn, strategy=f"everything(terse={terse:d})")

    both = [in_manner(True, 1.0), in_manner(False, 0.0)]
    found = replays.compare(both, ["full", "best-of-n"], MACHINE, 2)
    assert [each.solved.mean for each in found.standings] == [1.0, 0.0]
    assert found.otherwise == ()
    assert replays.compare(both[:1], ["full", "best-of-n"], MACHINE, 2).otherwise == ("best-of-n",)
    assert replays.compare(made_pool(2), ["full", "best-of-n"], MACHINE, 2).otherwise == ()  # it is not known there
    with pytest.raises(ConfigError, match="cannot change prompts"):
        replays.compare(both, ["full without tests"], MACHINE, 2)


def test_greedy_solves_what_its_one_candidate_solves():
    runs = made_pool()
    found = [replay(policy_named("greedy"), run, MACHINE, 0) for run in runs]
    assert [each.solved for each in found] == [run.candidates[0].status == "passed" for run in runs]


def test_a_repetition_that_is_drawn_before_its_original_has_its_verdict():
    """Else a policy that begins with siblings would lose what the model says most often."""
    run = made_run(0, 0.0)
    passer = evolve(run.candidates[0], status="passed", vector=(True,) * 3, hidden=True, logprob=-1.0)
    same = [
        evolve(each, status="refused", vector=(), same_as=1, hidden=True)
        for each in run.candidates[1:15]
        if each.kind == "sampled"
    ]
    repeated = evolve(run, candidates=(passer, *same))
    for seed in range(20):
        found = replay(policy_named("best-of-n"), repeated, MACHINE, seed)
        assert found.solved and found.true
        full = replay(policy_named("full(likely=2)"), repeated, MACHINE, seed)
        assert full.true and full.passers == 1


def test_a_probability_is_known_of_what_is_drawn_without_replacement_alone():
    run = made_run(0, 1.0)
    likely = evolve(run, candidates=tuple(evolve(each, logprob=-0.1, group=None) for each in run.candidates))
    unlikely = evolve(run, candidates=tuple(evolve(each, logprob=-50.0, group=None) for each in run.candidates[:1]))
    assert not replay(policy_named("full(passers=1)"), likely, MACHINE, 0).in_doubt
    assert replay(policy_named("full(passers=1)"), unlikely, MACHINE, 0).in_doubt
    assert not replay(policy_named("greedy"), unlikely, MACHINE, 0).in_doubt


def test_more_samples_solve_more_and_a_choice_among_more_passers_is_true_more_often():
    runs = made_pool()
    found = replays.compare(runs, ["greedy", "best-of-n", "full", "full(passers=1)"], MACHINE, 4)
    by_name = {each.policy: each for each in found.standings}
    assert by_name["best-of-n"].solved.mean > by_name["greedy"].solved.mean
    assert by_name["full"].true.mean > by_name["full(passers=1)"].true.mean
    assert by_name["full"].false.mean < by_name["full(passers=1)"].false.mean


def test_regret_is_against_the_best_fixed_policy_in_hindsight():
    found = replays.compare(made_pool(12), ["full", *FIXED[:5]], MACHINE, 2)
    by_name = {each.policy: each for each in found.standings}
    shares = {name: sum(r.true for r in each) / len(each) for name, each in found.replayed.items()}
    fixed = {name: share for name, share in shares.items() if name != "full"}
    assert fixed[found.best] == max(fixed.values()) > shares["greedy"]
    for name, each in by_name.items():
        assert each.regret == pytest.approx(max(fixed.values()) - shares[name])
    assert by_name["greedy"].ahead is not None
    assert by_name["greedy"].ahead.low <= by_name["greedy"].ahead.mean <= by_name["greedy"].ahead.high


def test_the_winner_is_of_the_group_that_was_sampled_most():
    run = made_run(0, 0.0)
    one, two, three = (evolve(run.candidates[n], group=group) for n, group in ((1, 7), (2, 8), (3, 8)))
    assert chosen([one, two, three], [0, 0, 0]).group == 8
    assert chosen([one, two, three], [5, 0, 0]).group == 7  # five more samples said the same


def test_a_pool_is_written_read_and_forgiven_a_broken_last_line(tmp_path):
    runs = made_pool(3)
    for run in (*runs, runs[0]):
        pool.append(run, tmp_path)
    assert pool.load(tmp_path) == runs
    with (tmp_path / pool.FILE).open("a") as file:
        file.write('{"problem": "cut sh')
    assert pool.load(tmp_path / pool.FILE) == runs
    pool.append(runs[1], tmp_path)  # what a bench that goes on adds is not lost in half a line
    assert pool.load(tmp_path) == runs
    with (tmp_path / pool.FILE).open("a") as file:
        file.write("{}\n\n")
    with pytest.raises(ConfigError, match="line 6"):
        pool.load(tmp_path)


def test_names_of_policies():
    assert policy_named("full(repairs=0;passers=5;strength=2.5)").passers == 5
    assert policy_named("everything(plain=3)").plain == 3
    for wrong in ("nothing", "full(no=1)", "full(passers=x)", "greedy(a=1)", "full(repairs=2)"):
        with pytest.raises(ConfigError):
            policy_named(wrong)
    for name in FIXED:
        policy_named(name)
    assert policy_named("full(passers=1) without tests").passers == 1
    assert left_out("full without related+tests") == {"related", "tests"}
    assert left_out("full") == frozenset()
    with pytest.raises(ConfigError, match="Parts: surroundings, related, tests"):
        left_out("full without doubt")


def test_intervals_are_over_problems():
    means = by_problem([("a", 1.0), ("a", 0.0), ("b", 1.0)])
    assert means == {"a": 0.5, "b": 1.0}
    wide = bootstrap({str(n): float(n % 2) for n in range(10)})
    narrow = bootstrap({str(n): float(n % 2) for n in range(1000)})
    assert wide.mean == narrow.mean == 0.5
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert difference({"a": 1.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 1.0}).mean == 0.5
    assert json.dumps([bootstrap({}).mean]) == "[0.0]"
