;;; greenfinch-documents.el --- Buffers as Greenfinch's server sees them  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; What the server knows of a buffer, and what it may change in it.  The server is told a buffer's whole text, and only
;; when it is asked for something or Emacs has been idle for a moment: targets are found in milliseconds, and a text that
;; is sent whole cannot lose step with the buffer.
;;
;; Positions are counted in code points (UTF-32), as Emacs does, and lines end where the protocol says.

;;; Code:

(require 'cl-lib)
(require 'diff)
(require 'jsonrpc)
(require 'subr-x)

(autoload 'eglot-path-to-uri "eglot")
(autoload 'eglot-uri-to-path "eglot")

(defvar-local greenfinch-documents--known nil
  "What the server has of this buffer: (CONNECTION URI VERSION TICK), or nil.")

(defconst greenfinch-documents--line-end "\r\n\\|\n\\|\r")

(defun greenfinch-documents-uri ()
  "The URI of the current buffer's file."
  (eglot-path-to-uri (or buffer-file-name (user-error "Save this buffer in your project first: no test can reach it"))))

(defun greenfinch-documents-file (uri)
  "The file that URI means."
  (decode-coding-string (string-to-unibyte (eglot-uri-to-path uri)) 'utf-8))

(defun greenfinch-documents-position (point)
  "The protocol's position of POINT in the current buffer."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (let ((line 0))
        (while (re-search-forward greenfinch-documents--line-end point t)
          (setq line (1+ line)))
        (list :line line :character (- point (if (zerop line) (point-min) (match-end 0))))))))

(defun greenfinch-documents-point (position)
  "The place in the current, widened buffer that is the protocol's POSITION."
  (save-excursion
    (goto-char (point-min))
    (dotimes (_ (plist-get position :line))
      (re-search-forward greenfinch-documents--line-end nil 'move))
    (let ((start (point)))
      (min (+ start (plist-get position :character))
           (if (re-search-forward greenfinch-documents--line-end nil t) (match-beginning 0) (point-max))))))

(defun greenfinch-documents--text ()
  "The whole text of the current buffer."
  (save-restriction
    (widen)
    (buffer-substring-no-properties (point-min) (point-max))))

(defun greenfinch-documents-version ()
  "The version of the current buffer's text that the server has."
  (nth 2 greenfinch-documents--known))

(defun greenfinch-documents--in-step-p (connection)
  "Whether CONNECTION's server has the current buffer's text as it is now."
  (pcase greenfinch-documents--known
    (`(,its ,_ ,_ ,tick) (and (eq its connection) (= tick (buffer-chars-modified-tick))))))

(defun greenfinch-documents-sync (connection)
  "Tell CONNECTION's server the current buffer's text, if it does not have it."
  (let ((uri (greenfinch-documents-uri)))
    (unless (and (eq connection (car greenfinch-documents--known)) (equal uri (nth 1 greenfinch-documents--known)))
      (greenfinch-documents-close))
    (let ((version (1+ (or (greenfinch-documents-version) 0))))
      (cond
       ((null greenfinch-documents--known)
        (jsonrpc-notify connection :textDocument/didOpen
                        `(:textDocument (:uri ,uri :languageId "python" :version ,version
                                         :text ,(greenfinch-documents--text)))))
       ((not (greenfinch-documents--in-step-p connection))
        (jsonrpc-notify connection :textDocument/didChange
                        `(:textDocument (:uri ,uri :version ,version)
                          :contentChanges [(:text ,(greenfinch-documents--text))])))
       (t (setq version (1- version))))
      (setq greenfinch-documents--known (list connection uri version (buffer-chars-modified-tick))))))

(defun greenfinch-documents-close ()
  "Tell the server that the current buffer is no document of its any more."
  (pcase greenfinch-documents--known
    ((and `(,connection ,uri . ,_) (guard (jsonrpc-running-p connection)))
     (jsonrpc-notify connection :textDocument/didClose `(:textDocument (:uri ,uri)))))
  (setq greenfinch-documents--known nil))

(defun greenfinch-documents-apply (connection edit label judge)
  "Apply EDIT, a workspace edit from CONNECTION's server: all of it, or nothing.
The result is nil, or says why nothing was changed.  LABEL tells the user what
the edit is, where it needs to be confirmed; once it is, JUDGE is called with
the names of EDIT's annotations, and says what the server has against it now."
  (let* ((changes (greenfinch-documents--changes edit))
         (objection (lambda ()
                      (cl-loop for (buffer version . _) in changes
                               thereis (greenfinch-documents--objection connection buffer version)))))
    (or (funcall objection)
        (and (cl-loop for (_ annotation) on (plist-get edit :changeAnnotations) by #'cddr
                      thereis (eq (plist-get annotation :needsConfirmation) t))
             (if (greenfinch-documents--confirmed-p changes label)
                 ;; Much can happen while a question waits, and while the server is asked.
                 (or (funcall objection)
                     (funcall judge (cl-loop for (name _) on (plist-get edit :changeAnnotations) by #'cddr
                                             collect (substring (symbol-name name) 1)))
                     (funcall objection))
               "it was declined"))
        (pcase-dolist (`(,buffer ,_ . ,edits) changes)
          (with-current-buffer buffer
            (greenfinch-documents--edit edits)
            (when (car greenfinch-documents--known)
              (greenfinch-documents-sync connection)))))))

(defun greenfinch-documents--changes (edit)
  "What EDIT asks for, as a list of (BUFFER VERSION . EDITS)."
  (or (seq-map (lambda (change)
                 (let ((document (plist-get change :textDocument)))
                   `(,(greenfinch-documents--buffer (plist-get document :uri)) ,(plist-get document :version)
                     ,@(append (plist-get change :edits) nil))))
               (plist-get edit :documentChanges))
      (cl-loop for (uri edits) on (plist-get edit :changes) by #'cddr
               collect `(,(greenfinch-documents--buffer (substring (symbol-name uri) 1)) nil ,@(append edits nil)))))

(defun greenfinch-documents--buffer (uri)
  "The buffer that visits the file URI; it is visited if there is none."
  (let ((file (greenfinch-documents-file uri)))
    (or (find-buffer-visiting file) (find-file-noselect file))))

(defun greenfinch-documents--objection (connection buffer version)
  "Why CONNECTION's server cannot edit VERSION of BUFFER; nil if it can."
  (with-current-buffer buffer
    (cond
     (buffer-read-only (format "the buffer %s is read-only" (buffer-name)))
     ((not (verify-visited-file-modtime)) (format "%s has changed on disk since it was visited" (buffer-name)))
     ((and (null version) (buffer-modified-p)) ; the edit is for the file's text
      (format "%s has changes that Greenfinch does not know of" (buffer-name)))
     ((and version (not (and (equal version (greenfinch-documents-version))
                             (greenfinch-documents--in-step-p connection))))
      (format "%s has changed since the tests passed" (buffer-name))))))

(defun greenfinch-documents--confirmed-p (wanted label)
  "Show a diff of WANTED, and ask for LABEL to be applied."
  (save-window-excursion
    (pcase-dolist (`(,buffer ,_ . ,edits) wanted)
      (let ((text (with-current-buffer buffer (greenfinch-documents--text)))
            (then (generate-new-buffer (format "%s as proposed" (buffer-name buffer)))))
        (unwind-protect
            (progn
              (with-current-buffer then
                (insert text)
                (greenfinch-documents--edit edits))
              (display-buffer (diff-no-select buffer then nil t)))
          (kill-buffer then))))
    (condition-case nil
        (y-or-n-p (format "%s.  Apply this? " label))
      (quit nil))))

(defun greenfinch-documents--edit (edits)
  "Make EDITS in the current buffer, as one step for `undo'."
  (save-restriction
    (widen)
    (let ((places (mapcar (lambda (edit)
                            (let ((range (plist-get edit :range)))
                              (list (copy-marker (greenfinch-documents-point (plist-get range :start)))
                                    (copy-marker (greenfinch-documents-point (plist-get range :end)))
                                    (plist-get edit :newText))))
                          edits)))
      (undo-boundary)
      (atomic-change-group
        (let ((group (prepare-change-group)))
          (pcase-dolist (`(,start ,end ,text) (nreverse places)) ; the later of two at one place stays behind
            (replace-region-contents start end (lambda () text))
            (set-marker start nil)
            (set-marker end nil))
          (undo-amalgamate-change-group group)))
      (undo-boundary))))

(provide 'greenfinch-documents)

;;; greenfinch-documents.el ends here
