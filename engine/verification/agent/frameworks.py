"""How each test framework is driven by the agent; loaded by `runner` in the user's interpreter (CPython 3.9+)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from typing import Any

Wrapper = Generator[None, Any, None]  # a hook wrapper: it yields once, and is sent the outcome


def run_pytest(request: dict[str, Any], reporter: Any, failure: Any) -> int:
    """pytest on the request's files, with the user's own configuration and plug-ins; its exit status."""
    import pytest

    plugin = make_plugin(request, reporter, failure)
    doctests = ["--doctest-modules"] if request["doctests"] else []
    args = [*request["args"], "-q", "--tb=short", f"--rootdir={os.getcwd()}", *doctests, *request["files"]]
    return int(pytest.main(args, plugins=[plugin]))


def why_not_loaded(report: Any) -> str:
    """The error that ended the loading of a file, in one line."""
    info = getattr(getattr(report, "call", None), "excinfo", None)
    error = info.value.__cause__ or info.value if info is not None else None  # pytest wraps the error of an import
    if error is None or type(error).__name__ in ("CollectError", "UsageError"):
        lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
        return str((lines or report.longreprtext.strip().splitlines() or ["?"])[-1].lstrip("E").strip())
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}" if text.strip() else type(error).__name__


ORDERING = ("randomly", "random_order", "pytest_order", "pytest_ordering", "order", "dependency", "depends")  # plug-ins
LONGEST_PRINTED = 800  # characters of a failing test's own output that go with the failure

# Options of the user's configuration that would keep the tests from being run each once, in this process, as asked.
NEUTRAL: dict[str, Any] = {
    "numprocesses": None, "dist": "no", "tx": [], "distload": False, "looponfail": False,  # xdist
    "cov_source": [], "cov_fail_under": None, "no_cov": True,  # coverage
    "lf": False, "failedfirst": False, "newfirst": False, "stepwise": False, "stepwise_skip": False,
    "usepdb": False, "trace": False, "collectonly": False, "setuponly": False, "setupplan": False, "capture": "fd",
    "reruns": 0, "xmlpath": None, "maxfail": 0, "continue_on_collection_errors": True,
}  # fmt: skip


def is_ordered(config: Any) -> bool:
    """Whether the order of the tests is the project's own."""
    hooks = config.hook.pytest_collection_modifyitems.get_hookimpls()
    return any(map(config.pluginmanager.hasplugin, ORDERING)) or any(
        str(hook.plugin_name).endswith("conftest.py") for hook in hooks
    )


def make_plugin(request: dict[str, Any], reporter: Any, failure: Any) -> Any:
    """The plug-in that tells the results; one object for one session."""
    import pytest

    reach = reporter.reach

    def neutralise(options: Any) -> None:
        for name, value in NEUTRAL.items():
            if hasattr(options, name):
                setattr(options, name, value)
        if request["stop_at_first_failure"]:
            options.maxfail = 1

    class Plugin:
        def __init__(self) -> None:
            self.outcome, self.seconds, self.failure = "", 0.0, failure()
            self.again = False  # a plug-in is going to run the test once more
            self.fixtures: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
            self.ids: dict[str, list[str]] = {}

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_load_initial_conftests(self, early_config: Any) -> Wrapper:
            neutralise(early_config.known_args_namespace)
            request["arrive"]("conftest")
            yield

        @pytest.hookimpl(hookwrapper=True)
        def pytest_cmdline_parse(self) -> Wrapper:
            neutralise((yield).get_result().option)

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_collection(self, session: Any) -> Wrapper:
            request["arrive"]("collection")
            if request["stop_at_first_failure"]:
                session.config.option.maxfail = 1
            yield

        @pytest.hookimpl(hookwrapper=True)
        def pytest_make_collect_report(self, collector: Any) -> Wrapper:
            reach.take()
            if isinstance(collector, pytest.File):
                reporter.start(collector.nodeid)
            report = (yield).get_result()
            reached, blocked = reach.take()
            file = collector.nodeid.partition("::")[0]
            if report.failed:
                reporter.collection(file, [], reached, blocked, why_not_loaded(report), report.longreprtext)
            elif reached:
                reporter.collection(file, [], reached, blocked)

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> Wrapper:
            yield
            kept = [item for item in items if self.is_wanted(item)]
            gone = [item for item in items if not self.is_wanted(item)]
            if gone:
                config.hook.pytest_deselected(items=gone)
                items[:] = kept
            if request.get("first") and not is_ordered(config):
                ranks = {file: rank for rank, file in enumerate(request["first"])}
                items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))
                order = {test: rank for rank, test in enumerate(request.get("first_tests") or [])}
                items.sort(key=lambda item: order.get(item.nodeid, len(order)))
            if request.get("decoys"):
                request["load"]("decoys.py").plant_items(pytest, items, request["decoys"])
            for item in kept:
                self.ids.setdefault(item.nodeid.partition("::")[0], []).append(item.nodeid)
            for file, ids in self.ids.items():
                reporter.collection(file, ids, {}, {})

        def is_wanted(self, item: Any) -> bool:
            if request["doctests"]:
                named = item.name.partition(".py::")[2] or item.name
                if not any(named == name or named.endswith("." + name) for name in request["doctests"]):
                    return False
            expected = request["tests"]
            return not expected or item.nodeid in expected or item.nodeid.partition("::")[0] + "::*" in expected

        @pytest.hookimpl(hookwrapper=True)
        def pytest_fixture_setup(self, fixturedef: Any) -> Wrapper:
            """What a fixture of wider scope reaches belongs to every test that uses it, not to the first alone."""
            before = reach.take()
            yield
            during = reach.take()
            self.fixtures[id(fixturedef)] = during
            for kept, earlier, later in zip((reach.reached, reach.blocked), before, during):
                kept.update({**earlier, **later})

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logstart(self, nodeid: str) -> None:
            self.outcome, self.seconds, self.failure = "", 0.0, failure()
            reporter.start(nodeid)
            reach.take()

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_setup(self, item: Any) -> Wrapper:
            reporter.timer.start(item.nodeid)
            yield
            reporter.timer.stop()

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_call(self, item: Any) -> Wrapper:
            reporter.timer.start(item.nodeid)
            yield
            reporter.timer.stop()

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_teardown(self, item: Any) -> Wrapper:
            reporter.timer.start(item.nodeid)
            yield
            reporter.timer.stop()

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_makereport(self, item: Any, call: Any) -> Wrapper:
            self.item = item
            if reporter.is_brief:  # for a report with sources pytest parses the whole test file, for each failure anew
                item.config.option.tbstyle = "line"
            report = (yield).get_result()
            if call.excinfo is not None and report.failed and not self.failure.message:
                printed = f"\nprinted:\n{report.capstdout[-LONGEST_PRINTED:]}" if report.capstdout else ""
                message = call.excinfo.exconly(tryshort=False)
                if call.excinfo.typename == "FixtureLookupError":  # its own text is only in the report
                    lines = report.longreprtext.splitlines()
                    message = next((line[1:].strip() for line in lines if line.startswith("E ")), message)
                self.failure = failure(message, report.longreprtext + printed, call.excinfo.tb)

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(self, report: Any) -> None:
            self.seconds += report.duration
            if report.outcome == "rerun":
                self.again, self.outcome, self.failure = True, "", failure()
                return
            if report.failed:
                if self.outcome not in ("failed", "error"):
                    self.outcome = "failed" if report.when == "call" else "error"
                if not self.failure.message:
                    self.failure = failure(report.longreprtext.strip().rpartition("\n")[2], report.longreprtext)
            elif self.outcome not in ("failed", "error"):
                if report.skipped:
                    self.outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
                    if isinstance(report.longrepr, tuple):
                        self.failure = failure(str(report.longrepr[2]))
                elif report.when == "call" and self.outcome != "skipped":
                    self.outcome = "xpassed" if hasattr(report, "wasxfail") else "passed"

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logfinish(self, nodeid: str) -> None:
            if self.again and not self.outcome:
                self.again = False
                return
            reached, blocked = reach.take()
            known = getattr(getattr(self.item, "_fixtureinfo", None), "name2fixturedefs", {})
            for definitions in known.values():
                for definition in definitions:
                    for kept, more in zip((reached, blocked), self.fixtures.get(id(definition), ({}, {}))):
                        kept.update(more)
            reporter.test(nodeid, self.outcome or "error", self.seconds, reached, blocked, self.failure)

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(self, exitstatus: int) -> None:
            """Summaries and coverage reports come after this, and take longer than the tests of most judges."""
            reporter.end(int(exitstatus))

    return Plugin()


def run_unittest(request: dict[str, Any], reporter: Any, failure: Any) -> int:
    """unittest on the request's files, each loaded as `python -m unittest` would from the folder it belongs to."""
    import importlib
    import unittest

    expected = set(request["tests"])
    loaded: list[Any] = []
    loader, suite = unittest.TestLoader(), unittest.TestSuite()
    for file in request["files"]:
        top, name = module_of(file)
        if top not in sys.path:
            sys.path.insert(0, top)
        reporter.reach.take()
        reporter.start(file)
        try:
            module = importlib.import_module(name)
            tests = [test for test in flatten(loader.loadTestsFromModule(module)) if not expected
                     or test.id() in expected or file + "::*" in expected]  # fmt: skip
        except (Exception, SystemExit) as error:
            trouble = failure.of(error, error.__traceback__)
            reporter.collection(file, [], *reporter.reach.take(), trouble.message, trouble.detail)
            continue
        suite.addTests(tests)
        loaded += tests  # the suite forgets each one that it has run
        reporter.collection(file, [test.id() for test in tests], *reporter.reach.take())

    if request.get("decoys"):
        loaded += request["load"]("decoys.py").plant_cases(request["decoys"])
        suite.addTests(loaded[-len(request["decoys"]) :])
    result = make_result(unittest, reporter, failure)
    result.failfast = request["stop_at_first_failure"]
    suite.run(result)
    for test in loaded:
        result.tell_if_untold(test)
    return 0 if result.wasSuccessful() else 1


def module_of(file: str) -> tuple[str, str]:
    """The folder to import from, and the dotted name there: packages go up as far as `__init__.py` does."""
    folder, name = os.path.split(os.path.abspath(file))
    parts = [name[: -len(".py")]]
    while os.path.isfile(os.path.join(folder, "__init__.py")) and folder != os.path.dirname(folder):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    return folder, ".".join(parts)


def flatten(suite: Any) -> list[Any]:
    try:
        return [test for part in suite if part is not None for test in flatten(part)]
    except TypeError:
        return [suite]


def make_result(unittest: Any, reporter: Any, failure: Any) -> Any:
    class Result(unittest.TestResult):  # type: ignore[misc]  # its base is imported at run time
        def __init__(self) -> None:
            super().__init__()
            self.told: set[str] = set()
            self.shared: dict[str, tuple[dict[str, None], dict[str, None]]] = {}  # by class and module
            self.broken: dict[str, Any] = {}  # what went wrong in setUpClass and setUpModule
            self.note("passed")

        def note(self, outcome: str, error: Any = None) -> None:
            self.outcome = outcome
            self.failure = failure.of(error[1], error[2]) if error else failure()

        def startTest(self, test: Any) -> None:
            super().startTest(test)
            kept = self.shared.setdefault(f"{type(test).__module__}.{type(test).__qualname__}", ({}, {}))
            for old, new in zip(kept, reporter.reach.take()):  # by setUpClass: it belongs to all tests of the class
                old.update(new)
            self.note("passed")
            self.started = time.perf_counter()
            reporter.start(test.id())
            reporter.timer.start(test.id())

        def stopTest(self, test: Any) -> None:
            reporter.timer.stop()
            super().stopTest(test)
            reached, blocked = reporter.reach.take()
            shared = self.shared[f"{type(test).__module__}.{type(test).__qualname__}"]
            reporter.test(test.id(), self.outcome, time.perf_counter() - self.started, {**shared[0], **reached},
                          {**shared[1], **blocked}, self.failure)  # fmt: skip
            self.told.add(test.id())

        def addError(self, test: Any, error: Any) -> None:
            super().addError(test, error)
            if isinstance(test, unittest.TestCase):
                self.note("failed", error)
            else:
                self.note_broken(test, "error", failure.of(error[1], error[2]))

        def note_broken(self, holder: Any, outcome: str, trouble: Any) -> None:
            """`holder` stands for setUpClass or setUpModule; its id is like `setUpClass (module.Class)`."""
            name = holder.id().partition("(")[2].rstrip(")")
            self.broken[name] = (outcome, trouble, *reporter.reach.take())

        def addFailure(self, test: Any, error: Any) -> None:
            super().addFailure(test, error)
            self.note("failed", error)

        def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
            super().addSubTest(test, subtest, error)
            if error is not None:
                self.note("failed", error)

        def addSkip(self, test: Any, reason: str) -> None:
            super().addSkip(test, reason)
            if not isinstance(test, unittest.TestCase):
                self.note_broken(test, "skipped", failure(reason))
            elif self.outcome == "passed":
                self.outcome, self.failure = "skipped", failure(reason)

        def addExpectedFailure(self, test: Any, error: Any) -> None:
            super().addExpectedFailure(test, error)
            self.outcome = "xfailed"

        def addUnexpectedSuccess(self, test: Any) -> None:
            super().addUnexpectedSuccess(test)
            self.outcome = "xpassed"

        def tell_if_untold(self, test: Any) -> None:
            """Tests whose class or module could not be set up never start; each is told with that failure."""
            kind = type(test)
            for name in (f"{kind.__module__}.{kind.__qualname__}", kind.__module__):
                if name in self.broken and test.id() not in self.told:
                    outcome, trouble, reached, blocked = self.broken[name]
                    reporter.test(test.id(), outcome, 0.0, reached, blocked, trouble)
                    return

    return Result()
