# What run.sh and admin/admin.sh share: a server of ours in a folder that is thrown away. Sourced; sets `tmp`, `server`, PEERS_BASE.

# The folder; whatever ends the script ends the server and removes it.
begin() { # begin <folder>
  tmp=$1 server=
  # The server starts PostgreSQL as another user, who has to get to its folder.
  chmod 755 "$tmp"
  trap finish EXIT
  trap 'exit 130' INT TERM
}
finish() {
  local code=$?
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$tmp"
  exit $code
}

# Starts it; what its clients are made of may be fetched meanwhile.
serve() { # serve <rowhouse> <project> <more arguments…>
  "$1" serve --project "$2" --data "$tmp/data" --listen 127.0.0.1:0 "${@:3}" >"$tmp/out" 2>"$tmp/err" &
  server=$!
}

# Waits until it listens; makes an administrator, and Ada, a user like any other.
ready() { # ready <rowhouse> <project>
  for _ in $(seq 300); do
    grep -q '^listening on ' "$tmp/out" && break
    kill -0 "$server" 2>/dev/null || { cat "$tmp/out" "$tmp/err"; echo "FAILED: the server ended"; exit 1; }
    sleep 0.2
  done
  PEERS_BASE=$(sed -n 's/^listening on //p' "$tmp/out" | head -1)
  export PEERS_BASE
  [ -n "$PEERS_BASE" ] || { cat "$tmp/err"; echo "FAILED: the server isn't ready"; exit 1; }
  printf 'administrators keep it\n' | "$1" admin create --email root@example.org --name Root --project "$2" --data "$tmp/data" >/dev/null 2>"$tmp/admin.err" ||
    { cat "$tmp/admin.err"; false; }
  curl -sSf "$PEERS_BASE/action/user_account/signup" -o /dev/null -H 'Content-Type: application/json' \
    -d '{"name":"Ada","email":"ada@example.org","password":"correct horse","passwordConfirm":"correct horse"}'
}
signin() { # signin <address> <password>: its token
  curl -sSf "$PEERS_BASE/action/user_account/signin" -H 'Content-Type: application/json' -d "{\"email\":\"$1\",\"password\":\"$2\"}" |
    python3 -c 'import json, sys; print(next(d["Attributes"]["value"] for d in json.load(sys.stdin) if d["ResponseType"] == "client.store.set"))'
}
# It is still the same server, that lives and says nothing of inner errors.
sound() {
  kill -0 "$server" || { echo "the server ended"; return 1; }
  ! grep -aE 'panicked|ERROR' "$tmp/err"
}
