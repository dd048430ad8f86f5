"""Helix with editors/helix/languages.toml, in a terminal, against the real server; a script stands in for the model
but in one test.  A buffer's text is what Helix pipes to a file."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from editors.profiles import is_as_recorded, record
from editors.terminal import Terminal
from editors.workspace import SERVER, passes_tests, server_environment
from lsp.projects import BAD, GOOD, STUB, TESTS

CLONE = Path(__file__).parents[2]
FOREVER = {"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.05}
SLOWLY = {"text": GOOD, "delay_per_token": 0.2}
GENERATE = "Generate & verify implementation"


class Helix(Terminal):
    """Helix with one file open, its server attached."""

    scratch: Path

    def command(self, line: str) -> None:
        self.type(f":{line}")
        self.press("Enter")

    def text(self) -> str:
        """The current buffer's text."""
        file = self.scratch / "piped"
        file.unlink(missing_ok=True)
        self.press("%")
        self.command(f"pipe-to cat > {file}.part && mv {file}.part {file}")
        end = time.monotonic() + 30
        while not file.is_file():
            assert time.monotonic() < end, self.screen()
            time.sleep(0.05)
        return file.read_text("utf-8")

    def fill(self, text: str) -> None:
        """Replace the buffer's text, without saving it."""
        source = self.scratch / "typed"
        source.write_text(text, "utf-8")
        self.press("%")
        self.command(f"pipe cat {source}")
        self.wait(re.escape(text.splitlines()[0]))

    def actions(self, line: int, awaited: str = GENERATE) -> str:
        """The screen with the menu of code actions for a line, once it offers what is awaited."""
        self.command(str(line))
        for _ in range(100):  # until the server has attached itself
            self.press("Space", "a")
            time.sleep(0.5)
            if awaited in (screen := self.screen()):
                return screen
            self.leave()
        raise AssertionError(self.screen())

    def leave(self) -> None:
        """Close a menu, if one is open.  The pause: Escape and the next key, read at once, would be a key with Alt."""
        self.press("Escape")
        time.sleep(0.7)

    def choose(self, title: str, line: int) -> None:
        self.actions(line, title)
        self.select(title)
        self.press("Enter")


Start = Callable[..., AbstractContextManager[Helix]]


def set_up(private_home: dict[str, str]) -> None:
    """What editors/README.md tells a user to do, as it stands there."""
    (Path(private_home["HOME"]) / "greenfinch").symlink_to(CLONE)
    readme = (CLONE / "editors" / "README.md").read_text("utf-8")
    (recipe,) = re.findall(r"```sh\n(mkdir -p ~/\.config/helix\n.*?)```", readme, re.DOTALL)
    subprocess.run(["bash", "-euc", recipe], env={"PATH": "/usr/bin:/bin", **private_home}, check=True)


@pytest.fixture
def start(editor_home, private_home, project: Path, tmp_path: Path) -> Start:
    """Opens a file of the project in Helix, whose server speaks with the generator that an environment names."""

    @contextmanager
    def opened(name: str, environment: dict[str, str]) -> Iterator[Helix]:
        home = editor_home("helix")
        set_up(private_home)
        variables = server_environment(private_home) | environment
        record(variables, tmp_path, SERVER)
        variables["PATH"] += f":{home / 'python' / 'bin'}"  # where the user's own Python server is
        with Helix(home, [str(home / "bin" / "hx"), name], project, variables) as helix:
            helix.scratch = tmp_path
            helix.wait("^ NOR ")
            yield helix

    return opened


def test_a_stub_is_implemented_from_unsaved_buffers_and_one_undo_takes_it_back(
    start: Start, project: Path, script
) -> None:
    (project / "words.py").write_text("# nothing is saved yet\n")
    (project / "test_words.py").write_text("# nor here\n")
    with start("test_words.py", script(SLOWLY)) as helix:
        helix.wait("# nor here")
        helix.fill(TESTS)
        helix.command("open words.py")
        helix.wait("# nothing is saved yet")
        helix.fill(STUB)
        assert helix.actions(4).count(GENERATE) == 1
        helix.select(GENERATE)
        helix.press("Enter")
        helix.wait(r"slugify #\d.*\d+/64 tried")
        helix.wait(r"slugify: 2/2 tests pass \(candidate 1 of \d")
        after = helix.text()
        helix.press("u")
        assert helix.text() == STUB
    assert after == STUB.replace("    ...\n", GOOD)
    assert passes_tests(project, {"words.py": after, "test_words.py": TESTS}, "-k", "slugify or done")
    assert (project / "words.py").read_text() == "# nothing is saved yet\n"


def test_cancel_is_an_action_and_a_command(start: Start, project: Path, script) -> None:
    with start("words.py", script(FOREVER)) as helix:
        for cancel in ("action", "command"):
            helix.choose(GENERATE, 4)
            helix.wait(r"slugify #\d.*\d+/64 tried")
            if cancel == "action":
                helix.choose("Cancel: slugify", 4)
            else:
                helix.command("lsp-workspace-command greenfinch.cancel")
            helix.wait_until_gone(r"slugify #\d.*\d+/64 tried")
            assert helix.text() == STUB


def test_a_failed_run_shows_its_report_and_so_do_the_commands_without_arguments(
    start: Start, project: Path, script
) -> None:
    with start("words.py", script(BAD) | {"GREENFINCH_STRATEGY": "greedy"}) as helix:
        helix.choose(GENERATE, 4)
        helix.wait(r"/reports/\d+/slugify")
        assert "+    return title.lower()" in helix.text()
        for command, shown in {"showReport": "slugify", "showLastRun": "slugify", "doctor": "pytest"}.items():
            helix.command("open words.py")
            helix.wait_until_gone(r"/reports/")
            assert helix.text() == STUB
            helix.command(f"lsp-workspace-command greenfinch.{command}")
            helix.wait(r"/reports/")
            assert shown in helix.text()


def test_the_commands_are_listed_and_the_client_is_as_recorded(start: Start, script, tmp_path: Path) -> None:
    with start("words.py", script(GOOD)) as helix:
        helix.actions(4)
        helix.leave()
        helix.command("lsp-workspace-command")
        screen = helix.wait("greenfinch.doctor")
        for name in ("cancel", "pullModel", "showLastRun", "showReport"):
            assert f"greenfinch.{name}" in screen
    assert is_as_recorded("helix", tmp_path / "client.json")


def test_a_package_in_a_src_layout_with_a_helper_that_is_not_saved(start: Start, project: Path, script) -> None:
    files = {
        "src/shop/__init__.py": "",
        "src/shop/tax.py": "# not written yet\n",
        "src/shop/till.py": "from shop.tax import with_tax\n\n\ndef total(prices):\n    raise NotImplementedError\n",
        "tests/test_till.py": "from shop.till import total\n\n\ndef test_total():\n    assert total([1, 2]) == 6\n",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    }
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "test_words.py").unlink()
    tax = "def with_tax(price):\n    return 2 * price\n"
    with start("src/shop/tax.py", script("    return sum(with_tax(price) for price in prices)\n")) as helix:
        helix.wait("# not written yet")
        helix.fill(tax)
        helix.command("open src/shop/till.py")
        helix.wait("def total")
        helix.choose(GENERATE, 4)
        helix.wait(r"total: 1/1 test")
        after = helix.text()
    assert passes_tests(project, {"src/shop/till.py": after, "src/shop/tax.py": tax})


def test_a_target_behind_emoji_and_cjk_text(start: Start, project: Path, script) -> None:
    odd = STUB.replace('"""Words."""', '"""🐦 漢字."""; A = "🐦"').replace("(title):", '(title, mark="🐦漢"): # 🐦')
    odd = odd.replace('hyphens."""\n    ...', 'hyphens: 🐦."""; ...')
    (project / "words.py").write_text(odd)
    with start("words.py", script(GOOD)) as helix:
        helix.choose(GENERATE, 4)
        helix.wait(r"slugify: 2/2 tests pass")
        after = helix.text()
        helix.press("u")
        assert helix.text() == odd
    assert after.count("🐦") == odd.count("🐦")
    assert passes_tests(project, {"words.py": after}, "-k", "slugify or done")


@pytest.mark.model
@pytest.mark.usefixtures("small_model")
def test_the_real_model(start: Start, project: Path) -> None:
    (project / "words.py").write_text("def double(number):\n    ...\n")
    (project / "test_words.py").write_text(
        "from words import double\n\n\ndef test_double():\n    assert double(4) == 8\n    assert double(0) == 0\n"
    )
    environment = {"GREENFINCH_MODEL": "qwen2.5-coder-0.5b", "GREENFINCH_HOST_IDLE_MINUTES": "0.1"}
    with start("words.py", environment) as helix:
        helix.choose(GENERATE, 1)
        helix.wait(r"double: 1/1 tests? pass", 200)
        after = helix.text()
    assert passes_tests(project, {"words.py": after})


def test_a_server_that_is_not_installed_is_named_and_the_one_command_stands_in_the_configuration(
    editor_home, private_home
) -> None:
    set_up(private_home)
    command = [str(editor_home("helix") / "bin" / "hx"), "--health", "python"]
    environment = private_home | {"PATH": "/usr/bin:/bin"}
    health = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert re.search(r"✘.*greenfinch: .*'greenfinch' not found in \$PATH", health)
    assert "pip install ." in (CLONE / "editors" / "helix" / "languages.toml").read_text()
