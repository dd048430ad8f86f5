#!/usr/bin/env bash
# Formats and lints the plugin: stylua and luacheck, as `.ci/editors neovim` installs them.  --check changes nothing.
set -euo pipefail
cd "$(dirname "$0")"
files=$(find . ../../tests/editors/neovim -name '*.lua')
# shellcheck disable=SC2086 # names of ours, without spaces
node ../../tests/editors/neovim/stylua.cjs "$@" $files
# shellcheck disable=SC2086
luacheck --quiet --no-cache $files
