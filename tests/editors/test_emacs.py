"""greenfinch.el in a real Emacs, against the real server; a script stands in for the model but in one test."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from editors.emacs.running import PACKAGE, Emacs
from editors.profiles import is_as_recorded, record
from editors.workspace import SERVER, passes_tests, server_environment
from lsp.projects import BAD, GOOD, STUB, TESTS

FOREVER = {"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.05}
SLOWLY = {"text": GOOD, "delay_per_token": 0.2}


@pytest.fixture
def start(editor_home, private_home, tmp_path: Path) -> Callable[..., Emacs]:
    """Makes an Emacs whose server speaks with the generator that an environment names."""

    def make(environment: dict[str, str]) -> Emacs:
        variables = server_environment(private_home) | environment
        if "PATH" not in environment:
            record(variables, tmp_path, SERVER)
        return Emacs(editor_home("emacs"), tmp_path, variables)

    return make


def test_a_stub_is_implemented_from_unsaved_buffers_and_one_undo_takes_it_back(start, project: Path, script) -> None:
    (project / "words.py").write_text("# nothing is saved yet\n")
    (project / "test_words.py").write_text("# nor here\n")
    notes = start(script(SLOWLY)).run(
        project,
        f"""
        (driver-open "test_words.py" {quoted(TESTS)})
        (driver-open "words.py" {quoted(STUB)})
        (driver-at "def slugify")
        (driver-choose "Generate")
        (let ((before (driver-text)))
          (greenfinch-code-actions)
          (driver-changed-from before)
          (driver-note 'after (driver-text))
          (driver-said "tests pass")
          (driver-undo)
          (driver-note 'undone (driver-text))
          (driver-note 'column (current-column)))
        """,
    )
    assert notes["offered"] == ["Generate & verify implementation"]
    assert notes["after"] == STUB.replace("    ...\n", GOOD)
    assert passes_tests(project, {"words.py": notes["after"], "test_words.py": TESTS}, "-k", "slugify or done")
    assert notes["undone"] == STUB
    assert (project / "words.py").read_text() == "# nothing is saved yet\n"
    assert any(re.search(r"slugify: \d+/64 tried.* tok/s", line) for line in notes["lines"]), notes["lines"]
    assert any(re.search(r"slugify: 2/2 tests pass \(candidate 1 of \d", line) for line in notes["messages"])


def test_cancel_stops_the_run_and_changes_nothing(start, project: Path, script) -> None:
    notes = start(script(FOREVER)).run(
        project,
        """
        (driver-open "words.py")
        (driver-at "...")
        (greenfinch-implement)
        (driver-wait "candidates" (lambda () (seq-find (lambda (l) (string-match-p "tried" l)) driver-lines)))
        (greenfinch-cancel)
        (let ((began (float-time)))
          (driver-wait "the end" (lambda () (null (greenfinch--jobs))))
          (driver-note 'seconds (- (float-time) began)))
        (greenfinch-client-execute
         (greenfinch-client-here) "greenfinch.status" nil
         (lambda (status) (driver-note 'state (plist-get (aref (plist-get status :jobs) 0) :state))))
        (driver-wait "the state" (lambda () (assq 'state driver-notes)))
        (driver-note 'modified (buffer-modified-p))
        (driver-note 'after (driver-text))
        """,
    )
    assert notes["state"] == "cancelled" and notes["after"] == STUB and not notes["modified"]


def test_a_command_means_the_text_at_point_although_its_server_is_still_starting(start, project: Path, script) -> None:
    above = "# above\n" * 8  # the place in the text as it was is another function's now
    notes = start(script(GOOD)).run(
        project,
        f"""
        (driver-open "words.py")
        (driver-at "def slugify")
        (greenfinch-implement)
        (goto-char (point-min))
        (insert {quoted(above)})
        (driver-changed-from (driver-text))
        (driver-note 'after (driver-text))
        """,
    )
    assert notes["after"] == above + STUB.replace("    ...\n", GOOD)


def test_what_waits_for_its_server_can_be_cancelled(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (driver-open "words.py")
        (driver-at "def slugify")
        (greenfinch-implement)
        (greenfinch-cancel)
        (greenfinch-client-call
         (lambda (connection)
           (greenfinch-client-execute connection "greenfinch.status" nil
                                      (lambda (status) (driver-note 'jobs (plist-get status :jobs))))))
        (driver-wait "the status" (lambda () (assq 'jobs driver-notes)))
        (greenfinch-cancel)
        (driver-said "nothing is at work")
        (driver-note 'after (driver-text))
        """,
    )
    assert "Greenfinch: cancelled before it began" in notes["messages"]
    assert notes["jobs"] == [] and notes["after"] == STUB


def test_of_two_jobs_with_one_title_the_chosen_one_is_cancelled(start, project: Path, script) -> None:
    (project / "more.py").write_text(STUB)
    (project / "test_more.py").write_text(TESTS.replace("from words", "from more"))
    notes = start(script(FOREVER)).run(
        project,
        """
        (dolist (file '("words.py" "more.py"))
          (driver-open file)
          (driver-at "def slugify")
          (greenfinch-implement))
        (driver-wait "both" (lambda () (= 2 (length (greenfinch--jobs)))))
        (driver-note 'names (vconcat (mapcar #'car (greenfinch--choices (greenfinch--jobs)))))
        (let ((kept (cadr (car (greenfinch--jobs)))))
          (driver-choose "slugify (2")
          (greenfinch-cancel)
          (driver-wait "the end of one" (lambda () (= 1 (length (greenfinch--jobs)))))
          (driver-note 'kept (equal kept (cadr (car (greenfinch--jobs))))))
        """,
    )
    first, second = notes["names"]
    assert first == "Greenfinch: slugify" and second.startswith("Greenfinch: slugify (2, ")
    assert notes["kept"]


def test_a_model_that_is_not_wanted_is_not_pulled_and_the_run_says_so(start, project: Path, tmp_path: Path) -> None:
    notes = start({"GREENFINCH_MODELS": str(tmp_path / "none")}).run(
        project,
        """
        (driver-open "words.py")
        (driver-at "def slugify")
        (driver-choose "Not now")
        (greenfinch-implement)
        (driver-said "not begun")
        """,
    )
    assert any(message.startswith("Greenfinch: slugify: not begun: ") for message in notes["messages"])


def test_what_the_client_says_of_itself_is_as_recorded(start, project: Path, script, tmp_path: Path) -> None:
    start(script(GOOD)).run(
        project,
        """
        (driver-open "words.py")
        (greenfinch-restart)
        (driver-said "is ready")
        """,
    )
    assert is_as_recorded("emacs", tmp_path / "client.json")


def test_a_failed_run_shows_its_report_and_the_commands_show_it_again(start, project: Path, script) -> None:
    notes = start(script(BAD)).run(
        project,
        """
        (setq greenfinch-strategy "greedy")
        (driver-open "words.py")
        (driver-at "def slugify")
        (greenfinch-implement)
        (driver-wait "the report"
                     (lambda () (get-window-with-predicate
                                 (lambda (window) (string-suffix-p ".md" (buffer-name (window-buffer window)))))))
        (driver-note 'after (driver-text))
        (driver-note 'selected (buffer-name (window-buffer (selected-window))))
        (delete-other-windows)
        (greenfinch-show-report)
        (driver-note 'report (driver-shown "as it was"))
        (driver-note 'read-only (with-current-buffer (window-buffer) buffer-read-only))
        (greenfinch-show-last-run)           ; asked for where the report is read, in no project
        (driver-note 'last (driver-shown "^## What was tried"))
        (driver-note 'servers (length (greenfinch-client-all)))
        """,
    )
    assert notes["servers"] == 1
    assert notes["after"] == STUB and notes["selected"] == "words.py"
    assert "`slugify` is as it was" in notes["report"] and "+    return title.lower()" in notes["report"]
    assert "assert" in notes["report"] and notes["read-only"]
    assert "slugify" in notes["last"]
    assert any(re.search(r"Best attempt: \d/2 tests", message) for message in notes["messages"])


def test_a_package_in_a_src_layout_with_a_helper_that_is_not_saved(start, project: Path, script) -> None:
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
    notes = start(script("    return sum(with_tax(price) for price in prices)\n")).run(
        project,
        f"""
        (driver-open "src/shop/tax.py" {quoted(tax)})
        (driver-open "../../src/shop/till.py")
        (driver-at "def total")
        (let ((before (driver-text)))
          (greenfinch-implement)
          (driver-changed-from before)
          (driver-note 'after (driver-text))
          (driver-note 'tax (with-current-buffer "tax.py" (driver-text))))
        """,
    )
    assert notes["tax"] == tax
    assert passes_tests(project, {"src/shop/till.py": notes["after"], "src/shop/tax.py": tax})


def test_a_target_behind_emoji_and_cjk_text(start, project: Path, script) -> None:
    odd = STUB.replace('"""Words."""', '"""🐦 漢字."""; A = "🐦"\n\x0c').replace(
        "(title):", '(title, mark="🐦漢"): # 🐦'
    )
    odd = odd.replace('hyphens."""\n    ...', 'hyphens: 🐦."""; ...')
    (project / "words.py").write_text(odd)
    notes = start(script(GOOD)).run(
        project,
        """
        (driver-open "words.py")
        (driver-at "title, mark")
        (let ((before (driver-text)))
          (greenfinch-implement)
          (driver-changed-from before)
          (driver-note 'after (driver-text))
          (driver-undo)
          (driver-note 'undone (driver-text)))
        """,
    )
    assert notes["after"].count("🐦") == odd.count("🐦") and notes["undone"] == odd
    assert passes_tests(project, {"words.py": notes["after"]}, "-k", "slugify or done")


def test_what_is_typed_meanwhile_is_kept_and_the_winner_can_be_applied_afterwards(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (driver-open "words.py")
        (driver-at "def slugify")
        (advice-add 'greenfinch-documents-apply :before     ; typed just before the edit comes
                    (lambda (&rest _) (with-current-buffer "words.py" (goto-char (point-max)) (insert "# typed\n")))
                    '((name . typing)))
        (greenfinch-implement)
        (driver-said "not applied")
        (driver-note 'refused (driver-text))
        (advice-remove 'greenfinch-documents-apply 'typing)
        (driver-choose "Verify and apply again")
        (driver-at "def slugify")
        (let ((before (driver-text)))
          (greenfinch-code-actions)
          (driver-changed-from before)
          (driver-note 'after (driver-text)))
        """,
    )
    assert notes["refused"] == STUB + "# typed\n"
    assert notes["after"] == STUB.replace("    ...\n", GOOD) + "# typed\n"


def test_an_edit_that_is_to_be_confirmed_is_shown_first_and_can_be_declined(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (setq greenfinch-confirm-edit t)
        (driver-open "words.py")
        (driver-at "def slugify")
        (advice-add 'y-or-n-p :override
                    (lambda (question)
                      (driver-note 'question question)
                      (driver-note 'preview (with-current-buffer (window-buffer (next-window)) (driver-text)))
                      nil))
        (greenfinch-implement)
        (driver-said "not applied")
        (driver-note 'declined (driver-text))
        (advice-add 'y-or-n-p :override #'always)
        (driver-choose "Verify and apply again")
        (greenfinch-code-actions)
        (driver-changed-from (driver-text))
        (driver-note 'after (driver-text))
        """,
    )
    assert "2/2 tests pass" in notes["question"] and "+" + GOOD.rstrip() in notes["preview"]
    assert notes["declined"] == STUB and notes["after"] == STUB.replace("    ...\n", GOOD)


def test_what_changes_while_a_confirmation_is_awaited_stops_the_edit(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (setq greenfinch-confirm-edit t)
        (driver-open "test_words.py")
        (driver-open "words.py")
        (driver-at "def slugify")
        (advice-add 'y-or-n-p :override
                    (lambda (_)
                      (with-current-buffer "test_words.py" (goto-char (point-max)) (insert "# changed\n"))
                      t))
        (greenfinch-implement)
        (driver-note 'said (driver-said "not applied"))
        (driver-note 'refused (driver-text))
        """,
    )
    assert notes["refused"] == STUB and "what the tests read has changed" in notes["said"]


def test_an_edit_confirmed_after_a_cancel_is_not_made(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (setq greenfinch-confirm-edit t)
        (driver-open "words.py")
        (driver-at "def slugify")
        (advice-add 'y-or-n-p :override
                    (lambda (_)
                      (greenfinch-cancel)
                      (driver-wait "the end" (lambda () (null (greenfinch--jobs))))
                      (driver-note 'asked t)
                      t))
        (greenfinch-implement)
        (driver-wait "the question" (lambda () (assq 'asked driver-notes)))
        (driver-wait "a moment" (let ((began (float-time))) (lambda () (> (- (float-time) began) 1))))
        (driver-note 'after (driver-text))
        """,
    )
    assert notes["after"] == STUB


def test_an_unsaved_buffer_without_the_mode_is_what_is_tested_and_edited(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (driver-open "test_words.py")
        (driver-open "words.py")
        (greenfinch-mode -1)
        (insert "# not saved\n# not saved\n")
        (driver-at "def slugify")
        (let ((before (driver-text)))
          (greenfinch-implement)
          (driver-changed-from before))
        (driver-note 'after (driver-text))
        """,
    )
    assert notes["after"] == "# not saved\n# not saved\n" + STUB.replace("    ...\n", GOOD)


def test_an_edit_for_what_lies_on_disk_does_not_touch_an_unsaved_buffer(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (driver-open "words.py")
        (greenfinch-mode -1)
        (insert "# not saved\n# not saved\n")
        (let ((uri (greenfinch-documents-uri)) (before (driver-text)))
          (with-current-buffer (driver-open "test_words.py")
            (greenfinch--command "greenfinch.implement" (list :uri uri :qualname "slugify")))
          (driver-note 'said (driver-said "not applied"))
          (driver-note 'unchanged (with-current-buffer "words.py" (equal (driver-text) before))))
        """,
    )
    assert notes["unchanged"] and "changes that Greenfinch does not know of" in notes["said"]


def test_lenses_say_how_many_tests_mention_a_stub(start, project: Path, script) -> None:
    notes = start(script(GOOD)).run(
        project,
        """
        (setq greenfinch-code-lens t)
        (driver-open "words.py")
        (greenfinch--lenses)
        (defun shown ()
          (mapcar (lambda (overlay) (substring-no-properties (overlay-get overlay 'before-string)))
                  (seq-filter (lambda (overlay) (eq (overlay-get overlay 'category) 'greenfinch-lens))
                              (overlays-in (point-min) (point-max)))))
        (driver-wait "three lenses" (lambda () (= 3 (length (shown)))))
        (driver-note 'lenses (vconcat (shown)))
        (driver-note 'text (driver-text))
        """,
    )
    assert "2 tests mention it: implement\n" in notes["lenses"] and notes["text"] == STUB


def test_beside_eglot_and_its_python_server_in_the_same_buffer(start, project: Path, script) -> None:
    emacs = start(script(GOOD))
    pylsp = emacs.home / "python" / "bin" / "pylsp"
    notes = emacs.run(
        project,
        f"""
        (require 'eglot)
        (setq eglot-sync-connect t)
        (add-to-list 'eglot-server-programs '(python-base-mode . ("{pylsp}")))
        (driver-open "words.py")
        (call-interactively #'eglot)
        (driver-at "def slugify")
        (let ((before (driver-text)))
          (greenfinch-implement)
          (driver-changed-from before))
        (driver-note 'after (driver-text))
        (driver-note 'server (plist-get (eglot--server-info (eglot-current-server)) :name))
        ;; what eglot's server knows is the text with the edit in it
        (driver-at "def done")
        (eglot--signal-textDocument/didChange)
        (let* ((symbols (jsonrpc-request (eglot-current-server) :textDocument/documentSymbol
                                         (list :textDocument (eglot--TextDocumentIdentifier)) :timeout 60))
               (done (seq-find (lambda (symbol) (equal (plist-get symbol :name) "done")) symbols)))
          (driver-note 'line (map-nested-elt done '(:location :range :start :line)))
          (driver-note 'expected (1- (line-number-at-pos))))
        (driver-undo)
        (driver-note 'undone (driver-text))
        """,
    )
    assert notes["server"] == "pylsp" and notes["line"] == notes["expected"]
    assert notes["after"] == STUB.replace("    ...\n", GOOD) and notes["undone"] == STUB


@pytest.mark.model
@pytest.mark.usefixtures("small_model")
def test_the_real_model(start, project: Path) -> None:
    (project / "words.py").write_text("def double(number):\n    ...\n")
    (project / "test_words.py").write_text(
        "from words import double\n\n\ndef test_double():\n    assert double(4) == 8\n    assert double(0) == 0\n"
    )
    notes = start({}).run(
        project,
        """
        (setq greenfinch-model "qwen2.5-coder-0.5b" greenfinch-host-idle-minutes 0.1)
        (driver-open "words.py")
        (driver-at "...")
        (let ((before (driver-text)))
          (greenfinch-implement)
          (driver-changed-from before)
          (driver-note 'after (driver-text)))
        (driver-said "1/1 tests? pass")
        """,
    )
    assert passes_tests(project, {"words.py": notes["after"]})


def test_the_package_is_clean(start) -> None:
    emacs = start({})
    packages = [argument for name in ("package-lint", "let-alist", "compat") for argument in emacs.package(name)]
    command = [emacs.command, "--batch", "-Q", *packages, "-l", str(PACKAGE / "lint.el")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "0 findings" in done.stdout, done.stdout + done.stderr


def test_a_server_that_is_not_installed_is_asked_for_with_the_one_command_that_installs_it(
    start, project: Path
) -> None:
    emacs = start({"PATH": "/usr/bin:/bin"})
    steps = """
        (driver-open "words.py")
        (driver-note 'said (condition-case problem (greenfinch-implement) (user-error (cadr problem))))
        (driver-note 'found (condition-case nil (greenfinch-client-command) (user-error nil)))
        """
    notes = emacs.run(project, steps)
    said, _, command = notes["said"].partition("M-x greenfinch-install, or:  ")
    assert said.startswith("The server is not installed") and notes["found"] is None
    assert command == emacs.install_command() and "\n" not in command


def test_the_screen_of_a_terminal_shows_progress_and_proof(start, project: Path, script) -> None:
    emacs = start(script(SLOWLY))
    with emacs.terminal(project, "words.py") as terminal:
        terminal.wait("def slugify")
        terminal.press("M-<", "C-s")
        terminal.type("def slugify")
        terminal.press("Enter", "C-c", "g", "i")
        terminal.wait(r"\[slugify: \d+/64 tried.*tok/s\]")
        terminal.wait(r"Greenfinch: slugify: 2/2 tests pass \(candidate 1 of")
        assert "title.lower().split()" in terminal.wait_until_gone(r"\[slugify")
        terminal.press("C-/")
        terminal.wait_until_gone(r"title\.lower")


def quoted(text: str) -> str:
    """A string as Lisp reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
