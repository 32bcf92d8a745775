#!/usr/bin/env bash
# Rowhouse under admin frameworks: admin.sh <path to rowhouse binary> <project>, a copy of examples/newsroom.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rowhouse=$(realpath "${1:?usage: admin.sh <path to rowhouse binary> <project>}")
project=$(realpath "${2:?usage: admin.sh <path to rowhouse binary> <project>}")
failed=()
trap 'echo "FAILED: line $LINENO of admin.sh: $BASH_COMMAND"' ERR

# 65,000 small files, mostly icons: where removing them takes minutes (ext4 with discard), let PEERS_TMP be a folder in /dev/shm.
tmp=$(mktemp -d "${PEERS_TMP:-/tmp}/admin.XXXXXX")
# The server starts PostgreSQL as another user, who has to get to its folder.
chmod 755 "$tmp"
server=
finish() {
  local code=$?
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$tmp"
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

[ -x /usr/bin/chromium ] || { echo "FAILED: there is no /usr/bin/chromium"; exit 1; }
# The server has to know the page's origin before there is a page.
PEERS_PAGE_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
PEERS_PROFILE="$tmp/profile"
export PEERS_PAGE_PORT PEERS_PROFILE

# Totals where the two look for them; 1000 is what react-admin's export asks for.
"$rowhouse" serve --project "$project" --data "$tmp/data" --listen 127.0.0.1:0 \
  --set page.total_as=total,unpaginatedCount --set page.most=1000 --set "cors_origins=http://127.0.0.1:$PEERS_PAGE_PORT" >"$tmp/out" 2>"$tmp/err" &
server=$!

# Meanwhile: what the frameworks are made of.
cp "$here"/*.mjs "$here/page.jsx" "$here/package.json" "$here/package-lock.json" "$tmp/"
(cd "$tmp" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1) || { cat "$tmp/npm.log"; false; }

for _ in $(seq 300); do
  grep -q '^listening on ' "$tmp/out" && break
  kill -0 "$server" 2>/dev/null || { cat "$tmp/out" "$tmp/err"; echo "FAILED: the server ended"; exit 1; }
  sleep 0.2
done
PEERS_BASE=$(sed -n 's/^listening on //p' "$tmp/out" | head -1)
export PEERS_BASE
[ -n "$PEERS_BASE" ] || { cat "$tmp/err"; echo "FAILED: the server isn't ready"; exit 1; }

# There is an administrator, as anywhere; but who asks is a user like any other.
printf 'administrators keep it\n' | "$rowhouse" admin create --email root@example.org --name Root --project "$project" --data "$tmp/data" >/dev/null 2>"$tmp/admin.err" ||
  { cat "$tmp/admin.err"; false; }
curl -sSf "$PEERS_BASE/action/user_account/signup" -o /dev/null -H 'Content-Type: application/json' \
  -d '{"name":"Ada","email":"ada@example.org","password":"correct horse","passwordConfirm":"correct horse"}'
PEERS_USER=$(curl -sSf "$PEERS_BASE/action/user_account/signin" -H 'Content-Type: application/json' -d '{"email":"ada@example.org","password":"correct horse"}' |
  python3 -c 'import json, sys; print(next(d["Attributes"]["value"] for d in json.load(sys.stdin) if d["ResponseType"] == "client.store.set"))')
export PEERS_USER

# All are tried, whatever fails.
for program in react-admin hatchify react-admin-page; do
  env -C "$tmp" node "$program.mjs" || failed+=("$program")
done

# And it's still the same server, that lives and says nothing of inner errors.
kill -0 "$server" || failed+=("the server ended")
if grep -aE 'panicked|ERROR' "$tmp/err"; then failed+=("its log"); fi

if [ ${#failed[@]} != 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
