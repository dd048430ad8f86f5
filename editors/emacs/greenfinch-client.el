;;; greenfinch-client.el --- The connection with Greenfinch's server  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; One server for each project, started with the first command there.  It is a connection of its own, beside whatever
;; Eglot or lsp-mode have with the user's main Python server: Eglot holds one server a buffer, and waits for commands.
;; Here nothing waits: every request is asynchronous.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'subr-x)
(require 'greenfinch-documents)
(require 'greenfinch-settings)

(defcustom greenfinch-server-command '("greenfinch" "serve")
  "Command of the server, as a list of strings.
If its program is not found, the one that `greenfinch-install-command'
installs is used."
  :type '(repeat string)
  :group 'greenfinch)

(defvar greenfinch-mode)
(defvar python-shell-virtualenv-root)

(defclass greenfinch-client (jsonrpc-process-connection)
  ((root :initarg :root :accessor greenfinch-client-root :documentation "The project's folder.")
   (ready :initform nil :accessor greenfinch-client-ready)
   (waiting :initform nil :accessor greenfinch-client--waiting
            :documentation "Functions to call once the server is ready.")
   (told :initform nil :accessor greenfinch-client--told :documentation "The settings that the server knows.")
   (ending :initform nil :accessor greenfinch-client--ending)
   (progress :initform nil :accessor greenfinch-client-progress
             :documentation "What runs: an alist of token to (TITLE . LINE), the latest first."))
  :documentation "A connection with the server of one project.")

(defvar greenfinch-client--all (make-hash-table :test #'equal)
  "The connection of each project's folder.")

(defvar greenfinch-client-hook nil
  "Functions that get whatever a server says: CONNECTION, METHOD, PARAMS.")

(defun greenfinch-client-all ()
  "All connections."
  (hash-table-values greenfinch-client--all))

;;; Installed or not

(defconst greenfinch-client--folder (file-name-directory (or load-file-name buffer-file-name default-directory)))

(defun greenfinch-client--private ()
  "Folder of the private environment of `greenfinch-install-command'."
  (expand-file-name "greenfinch/venv" (or (getenv "XDG_DATA_HOME") "~/.local/share")))

;;;###autoload
(defun greenfinch-install-command ()
  "Return the one shell command to install the server privately."
  (let* ((private (greenfinch-client--private))
         (clone (locate-dominating-file greenfinch-client--folder "lsp_server/launcher.py"))
         (what (if clone (directory-file-name (expand-file-name clone)) "PATH-OF-A-CLONE-OF-GREENFINCH")))
    (format "python3 -m venv %s && %s install %s"
            (shell-quote-argument private)
            (shell-quote-argument (expand-file-name "bin/pip" private))
            (shell-quote-argument what))))

(defun greenfinch-client-command ()
  "Return the server's command, its program with its full name.
Without one signal an error that tells how to install it."
  (pcase-let* ((`(,program . ,arguments) greenfinch-server-command)
               (private (expand-file-name "bin/greenfinch" (greenfinch-client--private)))
               (found (or (executable-find program)
                          (and (equal program "greenfinch") (file-executable-p private) private))))
    (unless found
      (user-error "The server is not installed (no %s on the search path).  M-x greenfinch-install, or:  %s"
                  program (greenfinch-install-command)))
    (cons found arguments)))

;;; Start and end

(defconst greenfinch-client--markers '("pyproject.toml" "setup.py" "setup.cfg" "tox.ini" "pytest.ini")
  "Files that show a project's folder where `project-current' knows none.")

(defun greenfinch-client-root-here ()
  "The folder of the project that the current buffer belongs to."
  (file-truename
   (or (and-let* ((project (project-current))) (project-root project))
       (locate-dominating-file default-directory
                               (lambda (folder)
                                 (seq-some (lambda (name) (file-exists-p (expand-file-name name folder)))
                                           greenfinch-client--markers)))
       default-directory)))

(defun greenfinch-client-here ()
  "The connection of the current buffer's project, or nil."
  (gethash (greenfinch-client-root-here) greenfinch-client--all))

(defvar greenfinch-client--latest nil
  "The connection that a command went to last.")

(defun greenfinch-client--in-use ()
  "The connection that a command went to last, if it is there still."
  (and greenfinch-client--latest (memq greenfinch-client--latest (greenfinch-client-all)) greenfinch-client--latest))

(defun greenfinch-client-forget (connection)
  "Forget what waits for CONNECTION's server; return whether anything did."
  (prog1 (greenfinch-client--waiting connection)
    (setf (greenfinch-client--waiting connection) nil)))

(defun greenfinch-client-call (function &optional anywhere)
  "Call FUNCTION with the current project's connection, once that is ready.
It is called in the current buffer.  The server is started if need be, and
then has the texts of the project's buffers.  With ANYWHERE the connection in
use does, too, where the project has none: a report lies in no project."
  (let* ((buffer (current-buffer))
         (connection (or (greenfinch-client-here) (and anywhere (greenfinch-client--in-use)) (greenfinch-client--start)))
         (call (lambda ()
                 (when (buffer-live-p buffer)
                   (with-current-buffer buffer
                     (greenfinch-client--tell-settings connection)
                     (greenfinch-client-sync-all connection)
                     (funcall function connection))))))
    (setq greenfinch-client--latest connection)
    (if (greenfinch-client-ready connection)
        (funcall call)
      (push call (greenfinch-client--waiting connection)))))

(defun greenfinch-client--start ()
  "Start a server for the current buffer's project."
  (let* ((root (greenfinch-client-root-here))
         (command (greenfinch-client-command))
         (default-directory root)
         (name (format "greenfinch %s" (abbreviate-file-name (directory-file-name root))))
         (connection
          (make-instance
           'greenfinch-client
           :name name
           :root root
           :events-buffer-config '(:size 200000 :format short)
           :process (lambda ()
                      (make-process :name name :command command :connection-type 'pipe :noquery t
                                    :coding 'utf-8-emacs-unix :stderr (get-buffer-create (format "*%s stderr*" name))))
           :notification-dispatcher #'greenfinch-client--notified
           :request-dispatcher #'greenfinch-client--requested
           :on-shutdown #'greenfinch-client--ended)))
    (puthash root connection greenfinch-client--all)
    (jsonrpc-async-request
     connection :initialize (greenfinch-client--hello root)
     :timeout 30
     :success-fn (lambda (answer) (greenfinch-client--welcomed connection answer))
     :error-fn (lambda (failure) (greenfinch-client--failed connection (plist-get failure :message)))
     :timeout-fn (lambda () (greenfinch-client--failed connection "it did not answer within 30 s")))
    connection))

(defun greenfinch-client--hello (root)
  "What the server is told of this client and the project at ROOT."
  (let ((uri (eglot-path-to-uri root)))
    `(:processId ,(emacs-pid)
      :clientInfo (:name "Emacs (greenfinch.el)" :version ,emacs-version)
      :rootUri ,uri
      :initializationOptions (:previews_edits t)
      :workspaceFolders [(:uri ,uri :name ,(file-name-nondirectory (directory-file-name root)))]
      :capabilities
      (:general (:positionEncodings ["utf-32"])
       :workspace (:applyEdit t :configuration t :workspaceFolders t :codeLens (:refreshSupport t) :workspaceEdit (:documentChanges t :changeAnnotationSupport (:groupsOnLabel :json-false)))
       :textDocument (:codeLens (:dynamicRegistration :json-false) :codeAction (:disabledSupport t :isPreferredSupport t
                                   :codeActionLiteralSupport
                                   (:codeActionKind (:valueSet ["quickfix" "refactor" "refactor.rewrite"]))))
       :window (:workDoneProgress t :showDocument (:support t) :showMessage (:messageActionItem (:additionalPropertiesSupport :json-false)))))))

(defun greenfinch-client--welcomed (connection answer)
  "CONNECTION's server has taken up its work, with the result ANSWER."
  (let ((encoding (plist-get (plist-get answer :capabilities) :positionEncoding)))
    (if (not (equal encoding "utf-32"))
        (greenfinch-client--failed connection (format "it counts columns as %s" encoding))
      (jsonrpc-notify connection :initialized (make-hash-table))
      (setf (greenfinch-client-ready connection) t)
      (let ((calls (nreverse (greenfinch-client--waiting connection))))
        (setf (greenfinch-client--waiting connection) nil)
        (mapc #'funcall calls)))))

(defun greenfinch-client--failed (connection reason)
  "CONNECTION cannot be used, for REASON."
  (message "Greenfinch's server did not start: %s.  Its output is in %s" reason
           (buffer-name (jsonrpc-stderr-buffer connection)))
  (greenfinch-client-end connection))

(defun greenfinch-client-end (connection)
  "End CONNECTION and its server."
  (setf (greenfinch-client--ending connection) t)
  (when (jsonrpc-running-p connection)
    (when (greenfinch-client-ready connection)
      (ignore-errors
        (jsonrpc-request connection :shutdown nil :timeout 5)
        (jsonrpc-notify connection :exit nil)))
    (with-timeout (3 (ignore-errors (delete-process (jsonrpc--process connection))))
      (while (jsonrpc-running-p connection)
        (accept-process-output nil 0.05)))))

(defun greenfinch-client--ended (connection)
  "CONNECTION's server has ended."
  (when (eq connection (gethash (greenfinch-client-root connection) greenfinch-client--all))
    (remhash (greenfinch-client-root connection) greenfinch-client--all))
  (setf (greenfinch-client-progress connection) nil)
  (force-mode-line-update t)
  (unless (greenfinch-client--ending connection)
    (message "Greenfinch's server ended by itself; the next command starts it again.  Its output is in %s"
             (buffer-name (jsonrpc-stderr-buffer connection)))))

(defun greenfinch-client-sync-all (connection)
  "Tell CONNECTION's server the texts of all its project's buffers."
  (dolist (buffer (buffer-list))
    (with-current-buffer buffer
      (when (and (bound-and-true-p greenfinch-mode) buffer-file-name (equal (greenfinch-client-root-here) (greenfinch-client-root connection)))
        (greenfinch-documents-sync connection)))))

(defun greenfinch-client-execute (connection command argument &optional function)
  "Have CONNECTION's server execute COMMAND with ARGUMENT.
Call FUNCTION with its answer."
  (jsonrpc-async-request
   connection :workspace/executeCommand
   (list :command command :arguments (if argument (vector argument) []))
   :timeout 30
   :success-fn (or function #'ignore)
   :error-fn (lambda (failure) (message "Greenfinch: %s: %s" command (plist-get failure :message)))
   :timeout-fn (lambda () (message "Greenfinch's server does not answer; see M-x greenfinch-restart"))))

;;; Settings

(defun greenfinch-client--settings ()
  "The settings that the user has set, as the server's names and values."
  (let (settings)
    (pcase-dolist (`(,name ,variable ,kind) (reverse greenfinch-settings--all))
      (let ((value (symbol-value variable)))
        (when (or (get variable 'saved-value) (get variable 'customized-value)
                  (not (equal value (eval (car (get variable 'standard-value)) t))))
          (setq settings `(,name ,(pcase kind
                                    ('strings (vconcat value))
                                    ('boolean (if value t :json-false))
                                    (_ value))
                           ,@settings)))))
    settings))

(defun greenfinch-client--object (plist)
  "PLIST as a JSON object, also where it is empty."
  (or plist (make-hash-table)))

(defun greenfinch-client--tell-settings (connection)
  "Tell CONNECTION's server the settings, if they are not as it knows them."
  (let ((settings (greenfinch-client--settings)))
    (unless (equal settings (greenfinch-client--told connection))
      (setf (greenfinch-client--told connection) settings)
      (jsonrpc-notify connection :workspace/didChangeConfiguration
                      `(:settings (:greenfinch ,(greenfinch-client--object settings)))))))

(defun greenfinch-client--python ()
  "The interpreter of python.el in the current buffer's project."
  (if (bound-and-true-p python-shell-virtualenv-root)
      (list :defaultInterpreterPath (expand-file-name "bin/python" python-shell-virtualenv-root))
    (make-hash-table)))

;;; What the server says and asks

(defun greenfinch-client--notified (connection method params)
  "CONNECTION's server sends the notification METHOD with PARAMS."
  (pcase method
    ('$/progress (greenfinch-client--progressed connection (plist-get params :token) (plist-get params :value)))
    ('window/showMessage (message "Greenfinch: %s" (plist-get params :message)))
    ('window/logMessage (greenfinch-client--log (plist-get params :message))))
  (run-hook-with-args 'greenfinch-client-hook connection method params))

(defun greenfinch-client--progressed (connection token value)
  "CONNECTION's server reports the progress VALUE of TOKEN."
  (pcase (plist-get value :kind)
    ("begin" (push (list token (plist-get value :title) (plist-get value :message))
                   (greenfinch-client-progress connection)))
    ("report" (when-let ((entry (assoc token (greenfinch-client-progress connection))))
                (setf (caddr entry) (plist-get value :message))))
    ("end" (when (string-match-p "\\`\\(?:cancelled\\|not begun\\)" (or (plist-get value :message) ""))
             ;; Of any other end the server tells itself.
             (message "%s: %s" (cadr (assoc token (greenfinch-client-progress connection))) (plist-get value :message)))
     (setf (greenfinch-client-progress connection)
           (assoc-delete-all token (greenfinch-client-progress connection)))))
  (force-mode-line-update t))

(defun greenfinch-client--log (text)
  "Keep TEXT in the log."
  (with-current-buffer (get-buffer-create "*greenfinch log*")
    (goto-char (point-max))
    (insert text "\n")))

(defun greenfinch-client--requested (connection method params)
  "Answer CONNECTION's server, which asks for METHOD with PARAMS."
  (run-hook-with-args 'greenfinch-client-hook connection method params)
  (pcase method
    ('workspace/applyEdit
     (let ((objection (greenfinch-documents-apply connection (plist-get params :edit) (plist-get params :label)
                                                   (lambda (names) (greenfinch-client--judge connection names)))))
       (if objection `(:applied :json-false :failureReason ,objection) '(:applied t))))
    ('workspace/configuration
     (with-current-buffer (greenfinch-client--buffer connection)
       (vconcat (seq-map (lambda (item)
                           (pcase (plist-get item :section)
                             ("greenfinch" (greenfinch-client--object (greenfinch-client--settings)))
                             ("python" (greenfinch-client--python))))
                         (plist-get params :items)))))
    ('window/showDocument
     (greenfinch-client-show (greenfinch-documents-file (plist-get params :uri)) (eq (plist-get params :takeFocus) t))
     '(:success t))
    ('window/showMessageRequest (greenfinch-client--ask params))
    ((or 'window/workDoneProgress/create 'workspace/codeLens/refresh 'client/registerCapability 'client/unregisterCapability) nil)
    (_ (jsonrpc-error :code -32601 :message (format "%s is not known here" method)))))

(defun greenfinch-client--judge (connection names)
  "What CONNECTION's server has against an edit now that it is confirmed, or nil.
NAMES are those of the edit's annotations; one says whose edit it is."
  (greenfinch-client-sync-all connection) ; what the tests read may have been changed while the user was asked
  (let* ((prefix "greenfinch-job-")
         (name (seq-find (lambda (name) (string-prefix-p prefix name)) names))
         (answer (and name
                      (condition-case problem
                          (jsonrpc-request connection :workspace/executeCommand
                                           (list :command "greenfinch.holds"
                                                 :arguments (vector (list :job (string-remove-prefix prefix name))))
                                           :timeout 10)
                        (error (list :reason (error-message-string problem)))))))
    (unless (eq (plist-get answer :holds) t)
      (or (plist-get answer :reason) "the server does not know it"))))

(defun greenfinch-client--buffer (connection)
  "A buffer of CONNECTION's project, where it is known how things are set there."
  (or (seq-find (lambda (buffer)
                  (with-current-buffer buffer
                    (and (bound-and-true-p greenfinch-mode) (eq (greenfinch-client-here) connection))))
                (buffer-list))
      (current-buffer)))

(defun greenfinch-client--ask (params)
  "Ask the user the question in PARAMS; the chosen action, or nil."
  (let* ((enable-recursive-minibuffers t) ; the user may be in one when the server asks
         (actions (append (plist-get params :actions) nil))
         (titles (mapcar (lambda (action) (plist-get action :title)) actions))
         (chosen (condition-case nil
                     (completing-read (format "Greenfinch: %s " (plist-get params :message)) titles nil t)
                   (quit nil))))
    (seq-find (lambda (action) (equal (plist-get action :title) chosen)) actions)))

(defun greenfinch-client-show (file take-focus)
  "Show FILE, such as a report, to be read; select its window if TAKE-FOCUS."
  (let ((buffer (find-file-noselect file t)))
    (with-current-buffer buffer
      (unless (verify-visited-file-modtime) (revert-buffer t t))
      (when (eq major-mode 'fundamental-mode) ; no mode for Markdown is installed
        (text-mode))
      (visual-line-mode)
      (view-mode))
    (if take-focus (pop-to-buffer buffer) (display-buffer buffer))))

(provide 'greenfinch-client)

;;; greenfinch-client.el ends here
