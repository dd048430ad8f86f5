"""Emacs' own language clients with the recipes of editors/README.md, without greenfinch.el."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from editors.emacs.running import Emacs
from editors.profiles import is_as_recorded, record
from editors.workspace import SERVER, passes_tests, server_environment
from lsp.projects import GOOD, STUB

FOREVER = {"text": "    x = 1\n", "repeat": True, "delay_per_token": 0.05}
SLOWLY = {"text": GOOD, "delay_per_token": 0.2}
WORDS = STUB.replace("    ...\n", GOOD)


@pytest.fixture
def start(editor_home, private_home, tmp_path: Path) -> Callable[..., tuple[Emacs, Path]]:
    """Makes an Emacs, and says where its client will tell what it can."""

    def make(environment: dict[str, str]) -> tuple[Emacs, Path]:
        home = editor_home("emacs")
        variables = server_environment(private_home) | environment
        recorded = record(variables, tmp_path, SERVER)
        variables["PATH"] += f":{home / 'python' / 'bin'}"
        return Emacs(home, tmp_path, variables), recorded

    return make


EGLOT = """
(require 'eglot)
(setq eglot-sync-connect t eglot-connect-timeout 100 eglot-events-buffer-config '(:size 0))
(setq driver-mode-line (lambda () (and (eglot-managed-p) (format-reporters))))
(defun format-reporters ()
  (let (lines)
    (maphash (lambda (_ reporter) (push (format "%s" (cddr reporter)) lines))
             (eglot--progress-reporters (eglot-current-server)))
    (and lines (string-join lines " "))))
"""


def test_eglot_with_greenfinch_as_its_server(start, project: Path, script) -> None:
    emacs, recorded = start(script(FOREVER, SLOWLY, SLOWLY))
    notes = emacs.run(
        project,
        EGLOT
        + """
        (driver-open "words.py")
        (driver-note 'unasked (file-name-nondirectory (car (nth 3 (eglot--guess-contact)))))
        (driver-choose "greenfinch")
        (call-interactively #'eglot)
        (driver-at "slugify")
        (driver-choose "Generate")
        (call-interactively #'eglot-code-actions)
        (driver-wait "candidates" (lambda () (seq-find (lambda (line) (string-match-p "tried" line)) driver-lines)))
        (driver-choose "Cancel: slugify")
        (call-interactively #'eglot-code-actions)
        (driver-wait "the end" (lambda () (string-match-p "cancelled" (or (format-reporters) ""))))
        (driver-note 'cancelled (driver-text))
        (driver-choose "Generate")
        (call-interactively #'eglot-code-actions)
        (driver-changed-from (driver-text))
        (driver-note 'after (driver-text))
        (eglot--signal-textDocument/didChange)      ; as its idle timer does, which no Emacs in batch mode has
        (driver-said "2/2 tests pass")
        (driver-undo)
        (driver-note 'undone (driver-text))
        """,
        recipe="eglot-alternatives",
    )
    assert notes["unasked"] == "pylsp"  # what `eglot-ensure' takes
    assert notes["cancelled"] == STUB and notes["after"] == WORDS and notes["undone"] == STUB
    assert any(re.search(r"\d+/64 tried", line) for line in notes["lines"])
    assert is_as_recorded("eglot", recorded)


def test_lsp_mode_with_greenfinch_as_an_add_on_beside_pylsp(start, project: Path, script) -> None:
    emacs, recorded = start(script(FOREVER, GOOD, GOOD))
    names = ("lsp-mode", "dash", "f", "ht", "spinner", "markdown-mode", "lv", "s")
    packages = [argument for name in names for argument in emacs.package(name)]
    notes = emacs.run(
        project,
        """
        (setq lsp-auto-guess-root t lsp-enable-suggest-server-download nil lsp-enable-snippet nil
              lsp-headerline-breadcrumb-enable nil lsp-modeline-code-actions-enable nil lsp-enable-file-watchers nil
              lsp-restart 'ignore lsp-response-timeout 60 lsp-warn-no-matched-clients nil)
        (dolist (part '(lsp-mode lsp-lens lsp-modeline lsp-diagnostics lsp-completion)) (require part))
        (require 'lsp-pylsp)
        (defun offered (title)
          (seq-some (lambda (each) (string-prefix-p title (lsp-get each :title))) (lsp-code-actions-at-point)))
        (driver-open "words.py")
        (lsp)
        (driver-wait "both servers"
                     (lambda () (= 2 (seq-count (lambda (each) (eq 'initialized (lsp--workspace-status each)))
                                                (lsp-workspaces)))))
        (driver-note 'servers (vconcat (sort (mapcar (lambda (each) (symbol-name (lsp--workspace-server-id each)))
                                                     (lsp-workspaces)))))
        (driver-at "slugify")
        (driver-choose "Generate")
        (call-interactively #'lsp-execute-code-action)
        (driver-wait "a run" (lambda () (offered "Cancel: slugify")))
        (driver-choose "Cancel: slugify")
        (call-interactively #'lsp-execute-code-action)
        (driver-wait "its end" (lambda () (offered "Generate")))
        (driver-note 'cancelled (driver-text))
        (driver-choose "Generate")
        (call-interactively #'lsp-execute-code-action)
        (driver-changed-from (driver-text))
        (driver-note 'after (driver-text))
        (driver-said "2/2 tests pass")
        (driver-undo)
        (driver-note 'undone (driver-text))
        """,
        *packages,
        recipe="lsp-mode",
    )
    assert notes["servers"] == ["greenfinch", "pylsp"]
    assert notes["cancelled"] == STUB and notes["after"] == WORDS and notes["undone"] == STUB
    assert passes_tests(project, {"words.py": notes["after"]}, "-k", "slugify or done")
    assert is_as_recorded("lsp-mode", recorded)
