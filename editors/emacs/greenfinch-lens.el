;;; greenfinch-lens.el --- How many tests mention each stub  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; With `greenfinch-code-lens' a line above each stub says how many tests mention it; a click there implements
;; it.  The lines are overlays: they are no part of the buffer's text.

;;; Code:

(require 'map)
(require 'greenfinch-client)
(require 'greenfinch-documents)
(require 'greenfinch-settings)

(defvar-local greenfinch-lens--asked nil
  "The latest question for lenses: a list of the text's state; nil for none.")

(defun greenfinch-lens-clear ()
  "Take the current buffer's lenses away."
  (setq greenfinch-lens--asked nil)
  (remove-overlays nil nil 'category 'greenfinch-lens))

(defun greenfinch-lens-update ()
  "Bring the current buffer's lenses up to date, if they are wanted."
  (cond
   ((not greenfinch-code-lens) (when greenfinch-lens--asked (greenfinch-lens-clear)))
   ((not (eql (car greenfinch-lens--asked) (buffer-chars-modified-tick)))
    (setq greenfinch-lens--asked (list (buffer-chars-modified-tick)))
    (greenfinch-client-call
     (lambda (connection)
       (greenfinch-lens--request connection :textDocument/codeLens
                                 `(:textDocument (:uri ,(greenfinch-documents-uri)))
                                 (lambda (lenses) (greenfinch-lens--resolve connection lenses))))))))

(defun greenfinch-lens--request (connection method params function)
  "Ask CONNECTION's server for METHOD with PARAMS.
FUNCTION gets the answer, unless the buffer has changed or was asked for
anew meanwhile."
  (let ((buffer (current-buffer))
        (asked greenfinch-lens--asked))
    (jsonrpc-async-request
     connection method params
     :success-fn (lambda (answer)
                   (when (buffer-live-p buffer)
                     (with-current-buffer buffer
                       (when (and (eq asked greenfinch-lens--asked) (eql (car asked) (buffer-chars-modified-tick)))
                         (funcall function answer)))))
     :error-fn #'ignore)))

(defun greenfinch-lens--resolve (connection lenses)
  "Show LENSES, for each of which CONNECTION's server is asked."
  (remove-overlays nil nil 'category 'greenfinch-lens)
  (seq-do (lambda (lens)
            (greenfinch-lens--request connection :codeLens/resolve lens
                                      (lambda (resolved) (greenfinch-lens--show connection resolved))))
          lenses))

(defun greenfinch-lens--show (connection lens)
  "Show one LENS, with a command for CONNECTION's server."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (greenfinch-documents-point (map-nested-elt lens '(:range :start))))
      (forward-line 0)
      (let* ((command (plist-get lens :command))
             (implement (lambda ()
                          (interactive)
                          (greenfinch-client-execute connection (plist-get command :command)
                                                     (seq-first (plist-get command :arguments)))))
             (keys (let ((map (make-sparse-keymap)))
                     (define-key map [mouse-1] implement)
                     map))
             (overlay (make-overlay (point) (point))))
        (overlay-put overlay 'category 'greenfinch-lens)
        (overlay-put overlay 'before-string
                     (concat (make-string (current-indentation) ?\s)
                             (propertize (format "%s: implement" (plist-get command :title))
                                         'face 'shadow 'mouse-face 'highlight 'local-map keys
                                         'help-echo "mouse-1: implement this stub")
                             "\n"))))))

(provide 'greenfinch-lens)

;;; greenfinch-lens.el ends here
