"""Syntax trees made in several threads at once."""

import ast
import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.languages.python.syntax import literal, tree_of

DEEP = (
    "x = " + "(" * 60 + "1" + ")" * 60 + "\n" + "".join(f"def f{n}(a, b=[{n}]):\n    return a + b\n" for n in range(60))
)


@pytest.fixture
def hurried():
    """Garbage is collected as often as can be, and other threads are let in each time."""
    before = gc.get_threshold()

    def let_in(phase, info):
        time.sleep(0)

    gc.callbacks.append(let_in)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(let_in)


def test_threads_do_not_disturb_each_other(hurried):
    """With `ast.parse` itself, CPython 3.11 fails here."""
    with ThreadPoolExecutor(4) as pool:
        trees = list(pool.map(tree_of, [DEEP] * 40))
        assert list(pool.map(literal, ["[1, (2, {'a': 3})]"] * 40)) == [[1, (2, {"a": 3})]] * 40
    assert {ast.dump(tree) for tree in trees} == {ast.dump(ast.parse(DEEP))}


def test_a_byte_order_mark_is_passed_over():
    assert ast.dump(tree_of("\ufeffx = 1")) == ast.dump(ast.parse("x = 1"))
    with pytest.raises(SyntaxError):
        tree_of("def f(:")
