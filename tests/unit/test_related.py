"""What other files tell about a target: the project's own imports as signatures, and its callers, within a budget."""

from pathlib import Path

import pytest

from engine.languages.python import Python
from engine.prompting import build_prompt, readable, related_context

PYTHON = Python()
FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": '''import math
from decimal import Decimal

from . import units
from .money import Money, rounded

def total(items: list, rate) -> Money:
    """The sum with tax: each item is a Money, `rounded`, in units.Unit."""
    raise NotImplementedError
''',
    "shop/money.py": '''from dataclasses import dataclass


@dataclass
class Money:
    """An amount."""

    amount: int
    currency: str = "EUR"

    def plus(self, other: "Money") -> "Money":
        """The sum."""
        return Money(self.amount + other.amount, self.currency)

    def _secret(self):
        return 1


def rounded(value: float, digits: int = 2) -> float:
    """To cents.

    More of it.
    """
    step = 10**digits
    return int(value * step) / step


def unused():
    return 0
''',
    "shop/units.py": "class Unit:\n    name = 'kg'\n\n\nclass Other:\n    pass\n",
    "shop/till.py": "from shop.prices import total\n\ndef pay(basket):\n    return total(basket, rate=0.2).amount\n",
    "tests/test_prices.py": "from shop.prices import total\n\n\ndef test():\n    assert total([], 0).amount == 0\n",
}


@pytest.fixture
def project(tmp_path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def related(project: Path, **options: int) -> str:
    path = project / "shop" / "prices.py"
    text = path.read_text()
    target = PYTHON.target_named(path, text, "total")
    return related_context(
        PYTHON, text, target, project, readable(Path.read_text), [FILES["tests/test_prices.py"]], **options
    )


def test_imports_are_shown_as_signatures(project):
    told = related(project)
    assert "# shop/money.py\n@dataclass\nclass Money:" in told
    assert "amount: int" in told
    assert 'def plus(self, other: \'Money\') -> \'Money\':\n        """The sum."""' in told
    assert 'def rounded(value: float, digits: int=2) -> float:\n    """To cents."""' in told
    assert "step" not in told
    assert "unused" not in told
    assert "_secret" not in told
    assert "class Unit" in told  # mentioned, from a module that is imported as a whole
    assert "class Other" not in told


def test_what_no_docstring_tells_of_is_shown_whole_if_it_is_short(project):
    (project / "shop" / "money.py").write_text(
        "def rounded(value):\n    return round(value, 2)\n\n\n"
        "class Money:\n    def __init__(self, amount):\n        self.amount = amount\n        self.paid = False\n\n"
        "    def pay(self):\n        self.paid = True\n"
    )
    told = related(project)
    assert "def rounded(value):\n    return round(value, 2)" in told
    assert "        self.paid = False" in told
    assert "    def pay(self):\n        ..." in told


def test_callers_are_shown_and_tests_are_not_callers(project):
    told = related(project)
    assert "# called in shop/till.py" in told
    assert "    return total(basket, rate=0.2).amount" in told
    assert "test_prices" not in told


def test_a_large_project_is_not_walked_to_its_end_for_callers(project, monkeypatch):
    seen = []
    monkeypatch.setattr(PYTHON.__class__, "handles", lambda _, path: seen.append(path) or path.suffix == ".py")
    data = project / "data"
    data.mkdir()
    for number in range(30):
        (data / f"{number}.bin").touch()
        (data / f"caller_{number:02}.py").write_text("total(1)\n")
    assert related(project).count("# called in ") == 2
    assert data / "caller_29.py" not in seen
    monkeypatch.setattr("engine.prompting.related._MOST_ENTRIES", 10)
    seen.clear()
    assert "called in data" not in related(project)
    assert not [path for path in seen if path.parent == data]


def test_what_does_not_fit_is_left_out_the_mentioned_coming_first(project):
    told = related(project, budget=330)
    assert "class Money" in told
    assert "called in" not in told
    assert len(told) <= 340
    assert related(project, budget=0) == ""


def test_a_file_that_imports_nothing_of_the_project_has_no_such_context(project):
    path = project / "alone.py"
    text = "import os\nimport nothing.there\n\n\ndef lonely():\n    pass\n"
    path.write_text(text)
    target = PYTHON.target_named(path, text, "lonely")
    assert related_context(PYTHON, text, target, project, readable(Path.read_text), []) == ""
    prompt = build_prompt(PYTHON, text, target, ["def test():\n    assert lonely()\n"], ["t.py::test"])
    assert "From other files" not in prompt.messages[-1].content


def test_the_prompt_holds_it_and_not_the_body_that_is_to_be_replaced(project):
    path = project / "shop" / "prices.py"
    text = path.read_text().replace("raise NotImplementedError", "return sum(items) * 41")
    target = PYTHON.target_named(path, text, "total")
    prompt = build_prompt(PYTHON, text, target, ["def test():\n    total()\n"], ["t.py::test"], related(project))
    shown = prompt.messages[-1].content
    assert "From other files:\n```python\n# shop/" in shown
    assert "sum(items) * 41" not in shown
    assert "def total(items: list, rate) -> Money:" in shown
    assert "From other files" not in prompt.asked("bare")[-1].content
