#!/usr/bin/env bash
# Brings Emacs 30.1 without a window system, lsp-mode 9 and package-lint, all of them Debian's, and a Python server
# that shares a buffer with Greenfinch's, into a cache folder: emacs/ under $GREENFINCH_EDITORS.  Nothing is installed on
# the machine.  Run again, it finds what is there.
# sources: apt pip
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/debian.sh"

home=${GREENFINCH_EDITORS:-${XDG_CACHE_HOME:-$HOME/.cache}/greenfinch-editors}/emacs
mark=$home/installed-30.1-1
[ ! -e "$mark" ] || exit 0
rm -rf "$home"
mkdir -p "$home/bin"

needs=all unpack "$home/tree" "bookworm bookworm-backports" emacs-nox
unpack "$home/elpa" trixie elpa-lsp-mode elpa-dash elpa-f elpa-ht elpa-spinner elpa-markdown-mode elpa-lv elpa-s \
  elpa-package-lint elpa-let-alist elpa-compat
mv "$home"/elpa/usr/share/emacs/site-lisp/elpa-src/* "$home/elpa"
rm -rf "$home/elpa/usr"

share=$home/tree/usr/share/emacs/30.1
libexec=$(echo "$home"/tree/usr/libexec/emacs/30.1/*)
cat > "$home/bin/emacs" <<END
#!/bin/sh
# Emacs where it was unpacked, instead of below /usr.
export EMACSLOADPATH='$share/lisp' EMACSDATA='$share/etc' EMACSDOC='$share/etc' EMACSPATH='$libexec'
export LD_LIBRARY_PATH='$home/tree/usr/lib/$(uname -m)-linux-gnu'
exec '$home/tree/usr/bin/emacs-nox' --dump-file='$(echo "$libexec"/*.pdmp)' "\$@"
END
chmod +x "$home/bin/emacs"
"$home/bin/emacs" --batch -Q --eval '(princ (format "Emacs %s\n" emacs-version))'

python3 -m venv "$home/python"
"$home/python/bin/pip" install --quiet --disable-pip-version-check python-lsp-server
if ! command -v tmux >/dev/null; then
  needs=all unpack "$home/tree" bookworm tmux
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$home/tree/usr/lib/$(uname -m)-linux-gnu" \
    "$home/tree/usr/bin/tmux" > "$home/bin/tmux"
  chmod +x "$home/bin/tmux"
fi
touch "$mark"
