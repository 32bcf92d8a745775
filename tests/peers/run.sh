#!/usr/bin/env bash
# Rowhouse under other people's clients: tests/peers/run.sh <path to rowhouse binary>. README.md says what it proves.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rowhouse=$(realpath "${1:?usage: tests/peers/run.sh <path to rowhouse binary>}")
project=${PEERS_PROJECT:-$(cd "$here/../.." && pwd)/examples/newsroom}
failed=()
# Nothing ends it in silence: a full disk leaves logs empty.
trap 'echo "FAILED: line $LINENO of run.sh: $BASH_COMMAND"; df -h /tmp' ERR

PEERS_TMP=$(mktemp -d)
export PEERS_TMP
. "$here/server.sh"
begin "$PEERS_TMP"
serve "$rowhouse" "$project"

# Meanwhile: what the clients are made of.
cp "$here"/*.mjs "$here/package.json" "$here/package-lock.json" "$PEERS_TMP/"
(cd "$PEERS_TMP" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1) || { cat "$PEERS_TMP/npm.log"; false; }
python3 -m venv "$PEERS_TMP/venv"
"$PEERS_TMP/venv/bin/pip" install --quiet --no-deps --disable-pip-version-check -r "$here/requirements.txt"
if ! [ -x /usr/bin/chromium ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >"$PEERS_TMP/apt.log" 2>&1 || { cat "$PEERS_TMP/apt.log"; false; }
fi

ready "$rowhouse" "$project"
PEERS_USER=$(signin ada@example.org 'correct horse')
PEERS_ROOT=$(signin root@example.org 'administrators keep it')
export PEERS_USER PEERS_ROOT

try() { # try <what> <command…>: all are tried, whatever fails
  local what=$1
  shift
  "$@" || { failed+=("$what"); echo "FAILED: $what"; }
}

# 1. Client libraries.
for client in kitsu devour-client jsona holidayextras spraypaint; do
  try "$client" env -C "$PEERS_TMP" node "$client.mjs"
done

# 2. OpenAPI, by its own validator.
documents() {
  local who token code=0
  for who in guest user administrator; do
    case $who in guest) token= ;; user) token=$PEERS_USER ;; administrator) token=$PEERS_ROOT ;; esac
    curl -sSf "$PEERS_BASE/openapi.json" ${token:+-H "Authorization: Bearer $token"} -o "$PEERS_TMP/$who.openapi.json" || return 1
  done
  "$rowhouse" openapi --project "$project" >"$PEERS_TMP/terminal.openapi.json" || return 1
  for who in guest user administrator terminal; do
    if "$PEERS_TMP/venv/bin/openapi-spec-validator" --schema 3.1 "$PEERS_TMP/$who.openapi.json" >"$PEERS_TMP/valid.log" 2>&1; then
      echo "openapi-spec-validator: $who's document is valid OpenAPI 3.1"
    else
      cat "$PEERS_TMP/valid.log"
      code=1
    fi
  done
  # The control: one that isn't.
  sed 's/"operationId"/"operationID"/; s/"in":"path","required":true/"in":"path"/; s/"in":"path"/"in":"nowhere"/' "$PEERS_TMP/guest.openapi.json" >"$PEERS_TMP/invalid.openapi.json"
  if "$PEERS_TMP/venv/bin/openapi-spec-validator" --schema 3.1 "$PEERS_TMP/invalid.openapi.json" >/dev/null 2>&1; then
    echo "FAILED openapi-spec-validator: the control passed"
    code=1
  fi
  return $code
}
try openapi documents

# 3. The page, before schemathesis fills the rows.
try docs env -C "$PEERS_TMP" PEERS_PROFILE="$PEERS_TMP/profile" node docs.mjs

# Clients that are generated from it, compiled, and called.
try generators bash "$here/generators/generators.sh"

# 4. Admin frameworks, and letters, on servers of their own.
try admin bash "$here/admin/admin.sh" "$rowhouse" "$project"
try mail env PYTHONDONTWRITEBYTECODE=1 "$PEERS_TMP/venv/bin/python" "$here/mail.py" "$rowhouse" "$project"

# 5. OpenAPI against the server itself.
try schemathesis bash "$here/schemathesis.sh"

# 6. The suite that anyone can aim at any server, as README says.
try conformance cargo run --quiet --locked --manifest-path "$here/../../Cargo.toml" -p conformance -- \
  --base "$PEERS_BASE/api" --entity "$here/../conformance/newsroom.json" --token "$PEERS_ROOT"

# And it's still the same server, that lives and says nothing of inner errors.
sound || failed+=("the server or its log")
curl -sSf "$PEERS_BASE/readyz" -o /dev/null || failed+=("not ready at the end")

if [ ${#failed[@]} != 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all peers agree"
