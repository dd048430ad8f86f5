;;; greenfinch.el --- Implement functions until their tests pass  -*- lexical-binding: t; -*-

;; Author: The Greenfinch authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "30.1"))
;; Keywords: languages, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Point at a function, `M-x greenfinch-implement': a small language model on your own machine writes its body until
;; your own tests pass; only then is the buffer changed, in one step for `undo', with the proof in the echo area.
;;
;;   (add-hook \='python-base-mode-hook #\='greenfinch-mode)
;;
;; `greenfinch-mode' has a connection of its own with Greenfinch's server.  It needs neither Eglot nor lsp-mode, and
;; leaves to them whatever they do in the same buffer.  The server starts with the first command.

;;; Code:

(require 'compile)
(require 'easymenu)
(require 'greenfinch-client)
(require 'greenfinch-documents)
(require 'greenfinch-lens)
(require 'greenfinch-settings)

(defcustom greenfinch-idle-seconds 0.5
  "After so many seconds without typing a running server is told of changes."
  :type 'number
  :group 'greenfinch)

;;; The work under way, and the mode line

(defun greenfinch--jobs ()
  "All work under way: (CONNECTION TOKEN TITLE LINE), the latest first."
  (mapcan (lambda (connection)
            (mapcar (lambda (entry) (cons connection entry)) (greenfinch-client-progress connection)))
          (greenfinch-client-all)))

(defvar greenfinch--mode-line-map
  (let ((map (make-sparse-keymap)))
    (define-key map [mode-line mouse-1] #'greenfinch-cancel)
    map)
  "Keys of the mode line's part.")

(defun greenfinch--mode-line ()
  "The latest job, for the mode line; nil if there is none."
  (pcase (greenfinch--jobs)
    (`((,_ ,_ ,title ,line) . ,others)
     (list " ["
           (propertize (concat (string-remove-prefix "Greenfinch: " title) (and line (concat ": " line))
                               (and others (format " (+%d)" (length others))))
                       'face 'mode-line-emphasis
                       'help-echo "Greenfinch is at work\nmouse-1: cancel"
                       'mouse-face 'mode-line-highlight
                       'local-map greenfinch--mode-line-map)
           "]"))))

(defvar greenfinch--mode-line-format '(:eval (replace-regexp-in-string "%" "%%" (format-mode-line (greenfinch--mode-line)))))
(put 'greenfinch--mode-line-format 'risky-local-variable t)

;;; The mode

(defvar greenfinch-command-map
  (let ((map (make-sparse-keymap)))
    (define-key map "i" #'greenfinch-implement)
    (define-key map "a" #'greenfinch-code-actions)
    (define-key map "c" #'greenfinch-cancel)
    (define-key map "r" #'greenfinch-show-report)
    (define-key map "l" #'greenfinch-show-last-run)
    (define-key map "d" #'greenfinch-doctor)
    (define-key map "m" #'greenfinch-pull-model)
    map)
  "Greenfinch's commands, to be bound to a prefix key of the user's own.")
(fset 'greenfinch-command-map greenfinch-command-map)

(defvar greenfinch-mode-map (make-sparse-keymap)
  "Keymap of `greenfinch-mode'.")

(defconst greenfinch--menu
  '("Greenfinch"
    ["Generate & verify implementation" greenfinch-implement]
    ["Actions here..." greenfinch-code-actions]
    ["Cancel" greenfinch-cancel :active (greenfinch--jobs)]
    "---"
    ["Show report" greenfinch-show-report]
    ["Show last run" greenfinch-show-last-run]
    ["Pull model" greenfinch-pull-model]
    ["Doctor" greenfinch-doctor]
    ["Install server" greenfinch-install]
    ["Restart server" greenfinch-restart]
    ["Settings" (customize-group 'greenfinch)])
  "The menu.")

(easy-menu-define nil greenfinch-mode-map "Menu of `greenfinch-mode'." greenfinch--menu)

;;;###autoload
(define-minor-mode greenfinch-mode
  "Implement functions with a local model until their tests pass.
\\{greenfinch-mode-map}"
  :lighter " Finch"
  :group 'greenfinch
  (pcase-dolist (`(,hook . ,function) '((kill-buffer-hook . greenfinch-documents-close)
                                        (change-major-mode-hook . greenfinch-documents-close)
                                        (after-change-functions . greenfinch--changed)
                                        (context-menu-functions . greenfinch-context-menu)))
    (if greenfinch-mode
        (add-hook hook function nil t)
      (remove-hook hook function t)))
  (if greenfinch-mode
      (progn
        (add-to-list 'mode-line-misc-info '(greenfinch-mode greenfinch--mode-line-format))
        (when greenfinch-code-lens
          (run-with-idle-timer greenfinch-idle-seconds nil #'greenfinch--lenses)))
    (greenfinch-lens-clear)
    (greenfinch-documents-close)))

(defvar greenfinch--timer nil
  "Timer that waits for Emacs to be idle after a change.")

(defun greenfinch--changed (&rest _)
  "Let the server know of the current buffer's change soon."
  (when (and (or greenfinch-documents--known greenfinch-code-lens) (not (memq greenfinch--timer timer-idle-list)))
    (setq greenfinch--timer (run-with-idle-timer greenfinch-idle-seconds nil #'greenfinch--sync))))

(defun greenfinch--sync ()
  "Tell all servers what has changed."
  (mapc #'greenfinch-client-sync-all (seq-filter #'jsonrpc-running-p (greenfinch-client-all)))
  (greenfinch--lenses))

(defun greenfinch--lenses (&rest _)
  "Bring the lenses of all buffers that are on the screen up to date."
  (dolist (window (window-list-1 nil nil 'visible))
    (with-current-buffer (window-buffer window)
      (when greenfinch-mode
        (greenfinch-lens-update)))))

(defun greenfinch--watch (_connection method _params)
  "Do what a notification or request METHOD of the server asks for."
  (when (eq method 'workspace/codeLens/refresh)
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer
        (when greenfinch-mode
          (setq greenfinch-lens--asked nil))))
    (greenfinch--lenses)))
(add-hook 'greenfinch-client-hook #'greenfinch--watch)

(defun greenfinch-context-menu (menu click)
  "Add Greenfinch's part to the context MENU of CLICK."
  (let ((at (lambda (command)
              (lambda () (interactive) (mouse-set-point click) (call-interactively command)))))
    (define-key-after menu [greenfinch-separator] menu-bar-separator)
    (define-key-after menu [greenfinch-implement]
      `(menu-item "Generate & verify implementation" ,(funcall at #'greenfinch-implement)))
    (define-key-after menu [greenfinch-actions]
      `(menu-item "Greenfinch actions..." ,(funcall at #'greenfinch-code-actions))))
  menu)

;;; Commands

(defun greenfinch--here ()
  "A marker of point, in a buffer whose text the server is told.
So `greenfinch-mode' is turned on: a place in the buffer is none in what lies
on disk.  The marker stays with the text while a server starts."
  (unless (or greenfinch-mode (null buffer-file-name))
    (greenfinch-mode))
  (copy-marker (point)))

(defun greenfinch--place (marker)
  "Where MARKER is now, as an argument for the server."
  (list :uri (greenfinch-documents-uri) :position (greenfinch-documents-position (marker-position marker))))

(defun greenfinch--command (name &optional argument anywhere)
  "Have this project's server execute NAME with ARGUMENT.
If ARGUMENT is a function, its value is meant.  With ANYWHERE it is about no
text, and the server in use is asked where this project has none."
  (greenfinch-client-call
   (lambda (connection)
     (greenfinch-client-execute connection name (if (functionp argument) (funcall argument) argument)))
   anywhere))

;;;###autoload
(defun greenfinch-implement ()
  "Implement the function at point, and prove it.
On the first line of a class all its stubs are implemented, between
definitions all of the file.  Turns on `greenfinch-mode'."
  (interactive)
  (let ((here (greenfinch--here)))
    (greenfinch--command "greenfinch.implement" (lambda () (greenfinch--place here)))
    (message "Greenfinch: starting...  (M-x greenfinch-cancel ends it)")))

;;;###autoload
(defun greenfinch-code-actions ()
  "Choose an action of Greenfinch at point, and do it."
  (interactive)
  (let ((here (greenfinch--here)))
    (greenfinch-client-call
     (lambda (connection)
       (let* ((place (greenfinch--place here))
              (position (plist-get place :position)))
         (jsonrpc-async-request
          connection :textDocument/codeAction
          `(:textDocument (:uri ,(plist-get place :uri)) :range (:start ,position :end ,position)
            :context (:diagnostics [] :only ["refactor.rewrite"] :triggerKind 1))
          :success-fn (lambda (actions) (greenfinch--choose connection (append actions nil)))
          :error-fn (lambda (failure) (message "Greenfinch: %s" (plist-get failure :message)))))))))

(defun greenfinch--choose (connection actions)
  "Let the user choose among CONNECTION's ACTIONS, and carry it out."
  (let ((possible (seq-remove (lambda (action) (plist-get action :disabled)) actions)))
    (cond
     ((null actions) (message "Greenfinch has nothing to offer here"))
     ((null possible) (message "Greenfinch: %s" (plist-get (plist-get (car actions) :disabled) :reason)))
     (t
      (let* ((why (plist-get (plist-get (seq-find (lambda (action) (plist-get action :disabled)) actions) :disabled)
                             :reason))
             (titles (mapcar (lambda (action) (plist-get action :title)) possible))
             (title (completing-read (format "%s%s: " (if why (concat why "\n") "") "Greenfinch")
                                     titles nil t nil nil (car titles)))
             (command (plist-get (seq-find (lambda (action) (equal (plist-get action :title) title)) possible)
                                 :command)))
        (greenfinch-client-execute connection (plist-get command :command) (seq-first (plist-get command :arguments))))))))

;;;###autoload
(defun greenfinch-cancel ()
  "Cancel the work under way; with several jobs ask which."
  (interactive)
  (let ((choices (greenfinch--choices (greenfinch--jobs))))
    (if (null choices)
        (greenfinch--cancel-unseen)
      (let ((choice (if (cdr choices) (completing-read "Cancel: " choices nil t) (caar choices))))
        (pcase-let ((`(,connection ,token . ,_) (cdr (assoc choice choices))))
          (jsonrpc-notify connection :window/workDoneProgress/cancel (list :token token))
          (message "%s: cancelling" choice))))))

(defun greenfinch--choices (jobs)
  "JOBS by what the user is to call them, which no two have in common."
  (let (choices)
    (dolist (job jobs (nreverse choices))
      (let* ((title (caddr job)) (name title) (number 1))
        (while (assoc name choices)
          (setq number (1+ number)
                name (format "%s (%d, %s)" title number (abbreviate-file-name (greenfinch-client-root (car job))))))
        (push (cons name job) choices)))))

(defun greenfinch--cancel-unseen ()
  "Cancel jobs without progress as yet, and what waits for a server."
  (unless (greenfinch-client-all)
    (user-error "Greenfinch does nothing at the moment"))
  (dolist (connection (greenfinch-client-all))
    (if (greenfinch-client-forget connection)
        (message "Greenfinch: cancelled before it began")
      (when (greenfinch-client-ready connection)
        (greenfinch-client-execute
         connection "greenfinch.cancel" nil
         (lambda (answer)
           (message "Greenfinch: %s"
                    (if (seq-empty-p (plist-get answer :cancelled)) "nothing is at work" "cancelling"))))))))

;;;###autoload
(defun greenfinch-show-report ()
  "Show the report of the latest run that left one."
  (interactive)
  (greenfinch--command "greenfinch.showReport" nil t))

;;;###autoload
(defun greenfinch-show-last-run ()
  "Show an account of the latest run, whether it passed or not."
  (interactive)
  (greenfinch--command "greenfinch.showLastRun" nil t))

;;;###autoload
(defun greenfinch-pull-model ()
  "Bring the model that the settings ask for onto this machine."
  (interactive)
  (greenfinch--command "greenfinch.pullModel" nil t))

;;;###autoload
(defun greenfinch-doctor ()
  "Check interpreter, test framework, model and sandbox of this machine."
  (interactive)
  (greenfinch--command "greenfinch.doctor"
                       (lambda () (and buffer-file-name (list :uri (greenfinch-documents-uri))))))

;;;###autoload
(defun greenfinch-install ()
  "Install the server into an environment of its own, as a compilation."
  (interactive)
  (let ((default-directory "~/")
        (process-connection-type nil)     ; no terminal: plain lines
        (command (greenfinch-install-command)))
    (compilation-start command nil (lambda (_mode) "*greenfinch install*"))))

;;;###autoload
(defun greenfinch-restart ()
  "End this project's server and start it again."
  (interactive)
  (when-let ((connection (greenfinch-client-here)))
    (greenfinch-client-end connection))
  (greenfinch-client-call (lambda (_) (message "Greenfinch's server is ready"))))

(provide 'greenfinch)

;;; greenfinch.el ends here
