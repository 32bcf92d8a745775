#!/usr/bin/env bash
# What OpenAPI says against what the server does, by schemathesis. Called by run.sh, which sets PEERS_*.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$PEERS_TMP/schemathesis
mkdir -p "$out"

# These end or change the session that the run itself uses: signing out, another password (which ends all other sessions),
# and becoming an administrator (the run's user would be another sort of caller from then on); and barring or deleting an
# account, which may be the run's own.
ends='/signout$|/change_password$|/become_an_administrator$|/deactivate$|/delete_me$'

st() ( # st <who> <token or nothing> <location> <more arguments…>
  who=$1 token=$2 location=$3
  shift 3
  mkdir -p "$out/$who.d"
  cd "$out/$who.d" # it writes files of its own where it stands
  PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=rows PEERS_WHO=$who PEERS_TOKEN=$token PEERS_ANSWERS=$out/$who.json \
    "$PEERS_TMP/venv/bin/schemathesis" run "$location" ${token:+-H "Authorization: Bearer $token"} --url "$PEERS_BASE" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-examples 5 --generation-deterministic --continue-on-failure --warnings off --no-color "$@"
)

# The control: the same, against a document that lies three times, has to find all three lies.
lies() {
  curl -sf "$PEERS_BASE/openapi.json" -H "Authorization: Bearer $PEERS_USER" | python3 -c '
import json, sys
d = json.load(sys.stdin)
d["components"]["schemas"]["article"]["properties"]["attributes"]["properties"]["title"]["type"] = "integer"
answers = d["paths"]["/api/article/{id}"]["get"]["responses"]
del answers["200"], answers["default"]
tags = d["components"]["responses"]["tag.page"]["content"]
tags["text/plain"] = tags.pop("application/vnd.api+json")
json.dump(d, sys.stdout)' >"$out/lies.json"
  local code=0
  st control "$PEERS_USER" "$out/lies.json" --include-name-regex '^GET /api/(article(/\{id\})?|tag)$' \
    --phases fuzzing --no-shrink >"$out/control.log" 2>&1 || code=$?
  for said in 'ST103 Undocumented status code' 'ST105 Undocumented Content-Type' 'ST108 Response violates schema'; do
    if [ $code != 1 ] || ! grep -q "$said" "$out/control.log"; then
      tail -40 "$out/control.log"
      echo "FAILED schemathesis: the control didn't find: $said ($code)"
      return 1
    fi
  done
  echo "schemathesis: the control, a document that lies, is caught three times"
}

whole() { # whole <who> <token or nothing>
  local who=$1 code=0
  st "$who" "$2" "$PEERS_BASE/openapi.json" --exclude-path-regex "$ends" >"$out/$who.log" 2>&1 || code=$?
  if [ $code != 0 ]; then
    sed -n '/= FAILURES =/,$p; /= ERRORS =/,$p' "$out/$who.log" | head -400
    tail -30 "$out/$who.log"
    echo "FAILED schemathesis as $who ($code)"
    return 1
  fi
  # Turned away at every door, nothing would be proved.
  python3 - "$who" "$out/$who.json" <<'P'
import json, sys
who, answers = sys.argv[1], json.load(open(sys.argv[2]))
least = {"guest": {"GET": 50}}.get(who, {"GET": 200, "POST": 50, "PATCH": 50, "DELETE": 20})
for method, number in least.items():
    assert answers.get(method + " 2xx", 0) >= number, f"FAILED schemathesis as {who}: too few {method} got through: {answers}"
print(f"schemathesis as {who}: {sum(answers.values())} calls conform,", sum(n for k, n in answers.items() if k.endswith("2xx")), "of them granted")
P
}

lies
# Two at a time; each has rows of its own.
whole administrator "$PEERS_ROOT" &
administrator=$!
failed=0
whole guest '' || failed=1
whole user "$PEERS_USER" || failed=1
wait $administrator || failed=1
exit $failed
