#!/usr/bin/env bash
# Rowhouse under admin frameworks: admin.sh <path to rowhouse binary> <project>, a copy of examples/newsroom.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rowhouse=$(realpath "${1:?usage: admin.sh <path to rowhouse binary> <project>}")
project=$(realpath "${2:?usage: admin.sh <path to rowhouse binary> <project>}")
failed=()
trap 'echo "FAILED: line $LINENO of admin.sh: $BASH_COMMAND"' ERR

# 65,000 small files, mostly icons: where removing them takes minutes (ext4 with discard), let PEERS_TMP be a folder in /dev/shm.
. "$here/../server.sh"
begin "$(mktemp -d "${PEERS_TMP:-/tmp}/admin.XXXXXX")"

[ -x /usr/bin/chromium ] || { echo "FAILED: there is no /usr/bin/chromium"; exit 1; }
# The server has to know the page's origin before there is a page.
PEERS_PAGE_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
PEERS_PROFILE="$tmp/profile"
export PEERS_PAGE_PORT PEERS_PROFILE

# Totals where the two look for them; 1000 is what react-admin's export asks for.
serve "$rowhouse" "$project" --set page.total_as=total,unpaginatedCount --set page.most=1000 \
  --set "cors_origins=http://127.0.0.1:$PEERS_PAGE_PORT"

# Meanwhile: what the frameworks are made of.
cp "$here"/*.mjs "$here/page.jsx" "$here/package.json" "$here/package-lock.json" "$tmp/"
(cd "$tmp" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1) || { cat "$tmp/npm.log"; false; }

ready "$rowhouse" "$project"
PEERS_USER=$(signin ada@example.org 'correct horse')
export PEERS_USER

# All are tried, whatever fails.
for program in react-admin hatchify react-admin-page; do
  env -C "$tmp" node "$program.mjs" || failed+=("$program")
done

sound || failed+=("the server or its log")

if [ ${#failed[@]} != 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
