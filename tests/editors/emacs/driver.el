;;; driver.el --- What the tests of Emacs share  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Loaded into a real Emacs by test_emacs.py, before a test's own steps.  What these note with `driver-note' is written
;; as JSON to $DRIVER_RESULT when they are through.

;;; Code:

(require 'cl-lib)
(require 'json)
(require 'subr-x)

(setq native-comp-jit-compilation nil
      create-lockfiles nil
      make-backup-files nil
      auto-save-default nil)

(defvar driver-notes nil)
(defvar driver-messages nil)
(defvar driver-lines nil)
(defvar driver-offered nil)
(defvar driver-mode-line
  (lambda () (and (fboundp 'greenfinch--jobs) (greenfinch--jobs) (cadr (greenfinch--mode-line))))
  "Gives what the mode line says of a job.")

(defun driver-note (name value)
  "Tell the test VALUE under NAME."
  (push (cons name value) driver-notes))

(defun driver-text ()
  "The current buffer's text."
  (buffer-substring-no-properties (point-min) (point-max)))

(defun driver-wait (what condition &optional seconds)
  "Wait for WHAT: until CONDITION returns a value, which is returned."
  (let ((end (+ (float-time) (or seconds 120))) value)
    (while (not (setq value (funcall condition)))
      (when (> (float-time) end)
        (error "Waited in vain for %s; messages: %S" what driver-messages))
      (accept-process-output nil 0.02)
      (when-let ((line (funcall driver-mode-line)))
        (cl-pushnew (substring-no-properties line) driver-lines :test #'equal)))
    value))

(defun driver-open (file &optional text)
  "Visit FILE, with TEXT in its buffer if given, unsaved."
  (find-file file)
  (when text
    (erase-buffer)
    (insert text))
  (setq buffer-undo-list nil)
  (goto-char (point-min))
  (current-buffer))

(defun driver-at (text)
  "Go to where TEXT begins."
  (goto-char (point-min))
  (search-forward text)
  (goto-char (match-beginning 0)))

(defun driver-changed-from (text)
  "Wait until the current buffer's text is not TEXT any more."
  (driver-wait "a changed buffer" (lambda () (not (equal (driver-text) text)))))

(defun driver-said (pattern)
  "Wait for a message that PATTERN matches, and return it."
  (driver-wait pattern (lambda () (seq-find (lambda (message) (string-match-p pattern message)) driver-messages))))

(defun driver-choose (pattern)
  "From now on choose in the minibuffer what PATTERN matches, as a user would."
  (setq driver-offered nil)
  (setq last-nonmenu-event ?x)              ; as from the keyboard
  (advice-add 'completing-read :override
              (lambda (_prompt collection &rest _)
                (let ((offered (all-completions "" collection)))
                  (setq driver-offered (append driver-offered offered))
                  (or (seq-find (lambda (each) (string-match-p pattern each)) offered)
                      (error "Not offered: %s; but %S" pattern offered))))
              '((name . driver))))

(defun driver-shown (pattern)
  "Wait until the selected window shows a text that PATTERN matches; the text."
  (driver-wait pattern
               (lambda ()
                 (with-current-buffer (window-buffer (selected-window))
                   (and (string-match-p pattern (driver-text)) (driver-text))))))

(defun driver-undo ()
  "Undo, as one key does."
  (undo-boundary)
  (setq last-command nil)
  (undo)
  (setq last-command 'undo))

(advice-add 'message :before
            (lambda (format &rest arguments)
              (when format
                (push (substring-no-properties (apply #'format-message format arguments)) driver-messages))))

(defun driver-run (steps)
  "Load the file STEPS, write what it noted, and end Emacs."
  (let ((problem (condition-case problem
                     (progn (load steps nil t t) nil)
                   (error (error-message-string problem)))))
    (driver-note 'problem problem)
    (driver-note 'lines (vconcat (reverse driver-lines)))
    (driver-note 'offered (vconcat driver-offered))
    (driver-note 'messages (vconcat (reverse driver-messages)))
    (with-temp-file (getenv "DRIVER_RESULT")
      (set-buffer-multibyte nil)                ; JSON comes as bytes
      (insert (json-serialize driver-notes :null-object nil :false-object :false)))
    (kill-emacs 0)))

;;; driver.el ends here
