;;; lint.el --- Checks that this package is clean  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L PACKAGE-LINT -l editors/emacs/lint.el
;; Byte-compiles, and runs checkdoc and package-lint on the package's files; what they find is printed, and the exit
;; status is 1 if there is anything.  No compiled file is left behind.

;;; Code:

(require 'checkdoc)
(require 'package-lint)

(defvar lint-folder (file-name-directory (or load-file-name buffer-file-name)))
(defvar lint-found 0)

(defun lint-say (file line what)
  "Report WHAT at LINE of FILE."
  (setq lint-found (1+ lint-found))
  (princ (format "%s:%s: %s\n" (file-name-nondirectory file) line what)))

(let* ((files (directory-files lint-folder t "\\`greenfinch.*\\.el\\'"))
       (main (expand-file-name "greenfinch.el" lint-folder))
       (compiled (make-temp-file "greenfinch-lint" t))
       (byte-compile-dest-file-function
        (lambda (file) (expand-file-name (concat (file-name-nondirectory file) "c") compiled)))
       (byte-compile-log-warning-function
        (lambda (what position &rest _) (lint-say (or byte-compile-current-file "?") (or position "?") what)))
       (load-prefer-newer t)
       (checkdoc-create-error-function
        (lambda (what start _end &optional _unfixable)
          (lint-say (buffer-file-name) (if start (line-number-at-pos start) "?") what)
          nil)))
  (add-to-list 'load-path lint-folder)
  (dolist (file files)
    (unless (byte-compile-file file)
      (lint-say file "?" "does not compile"))
    (with-current-buffer (find-file-noselect file)
      (checkdoc-current-buffer t)
      (let ((package-lint-main-file (unless (equal file main) main)))
        (pcase-dolist (`(,line ,_ ,_ ,what) (package-lint-buffer))
          ;; The project has no public home page yet.
          (unless (string-search "should have a Homepage" what)
            (lint-say file line what))))))
  (delete-directory compiled t)
  (princ (format "%d files, %d findings\n" (length files) lint-found))
  (kill-emacs (if (zerop lint-found) 0 1)))

;;; lint.el ends here
