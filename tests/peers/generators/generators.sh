#!/usr/bin/env bash
# Four generators of clients read /openapi.json; what they write is compiled, together with a program that uses it, and runs
# against the server. Called by run.sh, which sets PEERS_BASE, PEERS_USER, PEERS_ROOT and PEERS_TMP.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$PEERS_TMP/generators
mkdir -p "$work"
cd "$work"
trap 'echo "FAILED generators: line $LINENO: $BASH_COMMAND"' ERR
export NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1

# What a command says is only of interest if it fails.
quiet() { "${@:2}" >"$1" 2>&1 || { echo "FAILED: ${*:2}"; tail -n 60 "$1"; return 1; }; }

cp "$here/package.json" "$here/package-lock.json" .
quiet npm.log npm ci --ignore-scripts --no-audit --no-fund --loglevel=error &
npm=$!
python3 -m venv venv
quiet pip.log venv/bin/pip install --no-deps --disable-pip-version-check -r "$here/requirements.txt"
wait $npm
# Two of them want a Node that is newer than 20: it comes as a package. The Python one wants its ruff.
export PATH=$work/node_modules/.bin:$work/venv/bin:$PATH

document() { curl -sSf "$PEERS_BASE/openapi.json" -H "Authorization: Bearer $2" -o "$work/$1.json"; }
document user "$PEERS_USER"
document administrator "$PEERS_ROOT"
python3 -c '
import json, sys
d = json.loads(sys.stdin.read().replace("article.new.relationships", "article.relationships"))
d["components"]["schemas"]["article.new"]["properties"]["data"]["properties"]["attributes"] = {}
json.dump(d, sys.stdout)' <user.json >worse.json

generate() { # generate <generator> <document>
  case $1 in
    openapi-fetch) openapi-typescript "$2" -o made/openapi-typescript.ts ;;
    hey-api) openapi-ts -i "$2" -o made/hey-api --no-log-file ;;
    orval) DOCUMENT=$2 orval --config orval.config.mjs --fail-on-warnings ;;
    openapi-python-client) openapi-python-client generate --path "$2" --output-path rowhouse_client --meta none --config "$1.yaml" --fail-on-warning ;;
  esac
}
operations() { # operations <generator>: how many it made
  case $1 in
    openapi-fetch) sed -n '/^export interface operations/,$p' made/openapi-typescript.ts | grep -cE '^    [^ ].*: \{$' ;;
    hey-api) grep -c '^export const .* = <ThrowOnError' made/hey-api/sdk.gen.ts ;;
    orval) grep -cE '^export const get\w+Url = ' made/orval/client.ts ;;
    openapi-python-client) find rowhouse_client/api -name '*.py' ! -name '__init__.py' | wc -l ;;
  esac
}
compiled() { # compiled <generator>: and run
  if [ "$1" = openapi-python-client ]; then
    quiet mypy.log mypy --strict --follow-imports silent --cache-dir "$work/mypy" "$1.py" && quiet run.log timeout 60 python "$1.py"
  else
    quiet tsc.log tsc && quiet run.log timeout 60 node "js/$1.js"
  fi
}
try() { # try <generator> <user or administrator>: with the document of that sort of caller
  local wanted made
  mkdir -p "$work/$1/$2" && cd "$work/$1/$2" && cp "$here/tsconfig.json" "$here/common.ts" "$here/$1".* . || return 1
  quiet generate.log generate "$1" "$work/$2.json" || return 1
  # Not all of them end with an error when they leave something out.
  if grep -iE 'warn|error|omit|duplicate' generate.log; then return 1; fi
  wanted=$(python3 -c 'import json, sys; print(sum(m in ("get", "post", "put", "patch", "delete") for p in json.load(sys.stdin)["paths"].values() for m in p))' <"$work/$2.json")
  made=$(operations "$1")
  [ "$made" = "$wanted" ] || { echo "$2's document has $wanted operations, it made $made"; return 1; }
  compiled "$1" || return 1
  all+=", $2's $made"
}

whole() { # whole <generator>: with both documents
  local all=
  if ! try "$1" user || ! try "$1" administrator; then
    echo "FAILED generators: $1"
    return 1
  fi
  echo "$1: all operations (${all#, }) are made and compile; mistakes are caught; the server agrees"
}
# The control, once for each language: without the types of an article's fields no mistake in them is caught, and Python's can't
# tell apart two schemas that become one class.
refuses() { # refuses <generator> <why>
  if try "$1" worse >"$work/$1/worse.log" 2>&1 || ! grep -q "$2" "$work/$1/worse/"*.log; then
    cat "$work/$1/worse.log"
    echo "FAILED generators: $1: the control, a worse document, passed"
    return 1
  fi
  echo "$1: the control, a worse document, is refused"
}

# Two at a time.
{ whole openapi-python-client && refuses openapi-python-client 'duplicate models'; } >python.log 2>&1 &
python=$!
failed=0
for generator in openapi-fetch hey-api orval; do
  whole $generator || failed=1
done
refuses openapi-fetch TS2578 || failed=1 # an unused @ts-expect-error
wait $python || failed=1
cat "$work/python.log"
exit $failed
