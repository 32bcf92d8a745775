#!/usr/bin/env bash
# Turns each operator of the rule round, one at a time (the rule is SQL in strings, which mutation tools don't see), and
# runs the permission tests: each time one must fail. Prints a line per mutant; ends with 1 if any survived.
# Run it in a clone: it edits the source.  MUTANTS="3 7" runs only those.
set -euo pipefail
cd "$(dirname "$0")/.."
git diff --quiet -- src || { echo "src has changes: commit them first"; exit 2; }

mutants=(
  'src/permission.rs|Right::Peek => Right::Peek.bit() \| Right::Read.bit(),|Right::Peek => Right::Peek.bit(),'
  'src/permission.rs|{t}.groups && a.groups and case when|{t}.groups && a.groups or case when'
  'src/permission.rs|{t}.group_bits is null then {t}.permission & {group} <> 0|{t}.group_bits is null then {t}.permission & {group} = 0'
  'src/permission.rs|where g.id = any(a.groups) and coalesce(g.bits|where coalesce(g.bits'
  'src/permission.rs|coalesce(g.bits, {t}.permission) & {group} <> 0|coalesce({t}.permission, g.bits) & {group} <> 0'
  'src/permission.rs|{t}.permission & {guest} <> 0|{t}.permission & {guest} = 0'
  'src/permission.rs|{t}.owner = a.id and {t}.permission & {owner} <> 0"|{t}.owner = a.id or {t}.permission & {owner} <> 0"'
  'src/permission.rs|{t}.owner = a.id and {t}.permission & {owner} <> 0"|{t}.owner is not distinct from a.id and {t}.permission & {owner} <> 0"'
  'src/permission.rs|({admin} or {guest} or {owner} or {group})|({guest} or {owner} or {group})'
  'src/permission.rs|({admin} or {guest} or {owner} or {group})|({admin} or {guest} or {group})'
  'src/permission.rs|({admin} or {guest} or {owner} or {group})|({admin} or {guest} or {owner})'
  'src/permission.rs|(a.admin or {row}.owner = a.id)|({row}.owner = a.id)'
  'src/permission.rs|(a.admin or {row}.owner = a.id)|(a.admin or true)'
  'src/permission.rs|Class::Owner => format!("{t}.owner = a.id"),|Class::Owner => "true".to_owned(),'
  'src/permission.rs|Class::Group => format!("{t}.groups && a.groups"),|Class::Group => "true".to_owned(),'
  'src/permission.rs|when {owner} then 3 when {group} then 4|when {group} then 4 when {owner} then 3'
  'src/statement/read.rs|s.\"user\" and u.active|s.\"user\"'
  'src/statement/read.rs|and s.ended_at is null and s.expires_at > now()|and s.expires_at > now()'
  'src/statement/read.rs|and s.ended_at is null and s.expires_at > now()|and s.ended_at is null'
  'src/access.rs|if !self.has(1 << (verdict::ENTITY as usize + at)) {|if false {'
)

survivors=0
for at in ${MUTANTS:-"${!mutants[@]}"}; do
  IFS='|' read -r file rest <<<"${mutants[$at]}"
  rest=${rest//'\|'/$'\x01'}
  from=${rest%%|*}; to=${rest#*|}
  from=${from//$'\x01'/|}; to=${to//$'\x01'/|}
  was=$(<"$file")
  now=${was/"$from"/"$to"}
  if [[ "$was" == "$now" ]]; then echo "$at STALE $file: $from"; survivors=1; continue; fi
  printf '%s\n' "$now" >"$file"
  if ! cargo test -q --locked --test main --no-run >/tmp/rowhouse-mutant.log 2>&1; then
    echo "$at BROKEN $file: $from -> $to"; survivors=1; git checkout -q -- "$file"; continue
  fi
  # a test that waits for ever has noticed, too
  if timeout -k 5 150 cargo test -q --locked --test main -- permission:: a_grant_to_a_group failure::v19 --skip plans --skip execute_update >/tmp/rowhouse-mutant.log 2>&1; then
    echo "$at SURVIVED $file: $from -> $to"; survivors=1
  else
    echo "$at caught by $(grep -c '^test .* FAILED\|^    [a-z_:0-9]*$' /tmp/rowhouse-mutant.log || true) lines: $from"
  fi
  git checkout -q -- "$file"
done
exit $survivors
