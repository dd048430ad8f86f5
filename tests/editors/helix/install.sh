#!/usr/bin/env bash
# Brings Helix 25.01.1, Debian's, and the C library that it was built for into a cache folder: helix/ under
# $GREENFINCH_EDITORS.  Nothing is installed on the machine.  Run again, it finds what is there.
# sources: apt pip
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/debian.sh"

home=${GREENFINCH_EDITORS:-${XDG_CACHE_HOME:-$HOME/.cache}/greenfinch-editors}/helix
mark=$home/installed-25.01.1-1
[ ! -e "$mark" ] || exit 0
rm -rf "$home"
mkdir -p "$home/bin"

unpack "$home/tree" trixie hx libc6 libgcc-s1
libraries=$home/tree/usr/lib/$(uname -m)-linux-gnu
cat > "$home/bin/hx" <<END
#!/bin/sh
# Helix where it was unpacked, with the C library that it needs.
export HELIX_RUNTIME='$home/tree/usr/lib/hx/runtime'
exec '$(echo "$libraries"/ld-linux-*)' --library-path '$libraries' '$home/tree/usr/lib/hx/hx' "\$@"
END
chmod +x "$home/bin/hx"
"$home/bin/hx" --version

python3 -m venv "$home/python"
"$home/python/bin/pip" install --quiet --disable-pip-version-check python-lsp-server
if ! command -v tmux >/dev/null; then
  needs=all unpack "$home/tree" bookworm tmux
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$home/tree/usr/bin/tmux" > "$home/bin/tmux"
  chmod +x "$home/bin/tmux"
fi
touch "$mark"
