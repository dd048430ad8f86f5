"""Plots of what was solved: the figures behind them, and files that show each name."""

from engine.bench.plots import curves, steps

SOLVED = [(3.0, True), (1.0, True), (9.0, False), (2.0, False)]


def test_the_share_grows_where_something_is_solved():
    assert steps(SOLVED) == ([0.0, 1.0, 3.0], [0.0, 0.25, 0.5])
    assert steps([]) == ([0.0], [0.0])


def test_each_name_has_a_curve(tmp_path):
    file = tmp_path / "time.svg"
    curves({"greedy": SOLVED, "full": [(1.0, True)]}, "seconds", "a title", file)
    drawn = file.read_text("utf-8")
    for shown in ("greedy", "full", "seconds", "a title"):  # text is drawn as outlines, named in a comment
        assert f"<!-- {shown} -->" in drawn
