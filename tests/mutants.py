#!/usr/bin/env python3
"""Every operator and function of the rule, of the verdicts and of the statements changed, one by one: some test must fail.

cargo-mutants says what to change, and tests/turned.txt what it doesn't see: the SQL in strings. Here one build has them all: in a
copy, in target/mutants, each function becomes a `match` over the number in the environment's MUTANT, with an arm for each of
its mutants. Then each test tells which functions it comes by, and each mutant runs only the tests that come by it.

    tests/mutants.py [words]    only mutants whose names hold one of the words; JOBS=2 at once

What was caught is not run again, and what survived goes on where it was: it may be stopped and go on later. What survived all
tests is tried again. Without target/mutants it begins anew. What does the
same when changed stands in tests/mutants.txt, and why.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
HERE = HOME / "target/mutants"
COPY = HERE / "tree"
FILES = ["src/permission.rs", "src/access.rs", "src/access/**/*.rs", "src/statement/**/*.rs"]
# What runs no request, and what panics on purpose.
SKIPPED = ("tidy::", "schema::", "readme::", "failure::a_panic_in_the_middle_of_a_transaction_leaves_nothing_of_it")
SECONDS = 300
STAGES = 3
FEW = 8
JOBS = int(os.environ.get("JOBS", "2"))
MUTANT = """
/// Which mutant runs, by its number; 0 is none. Whatever panics has noticed it: that ends the process at once.
#[track_caller]
pub(crate) fn mutant() -> u32 {
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex};
    static NUMBER: LazyLock<u32> = LazyLock::new(|| {
        let Ok(number) = std::env::var("MUTANT") else { return 0 };
        std::panic::set_hook(Box::new(|info| {
            let thread = std::thread::current();
            _ = writeln!(std::io::stderr(), "caught in {}: {info}", thread.name().unwrap_or_default());
            std::process::exit(101);
        }));
        number.parse().expect("a number")
    });
    static DOORS: LazyLock<Option<std::ffi::OsString>> = LazyLock::new(|| std::env::var_os("MUTANT_DOORS"));
    static SEEN: Mutex<std::collections::BTreeSet<String>> = Mutex::new(std::collections::BTreeSet::new());
    if let Some(file) = &*DOORS {
        let at = std::panic::Location::caller();
        let door = format!("{}:{}\\n", at.file(), at.line());
        if SEEN.lock().is_ok_and(|mut seen| seen.insert(door.clone())) {
            let file = std::fs::File::options().append(true).create(true).open(file);
            _ = file.and_then(|mut file| file.write_all(door.as_bytes()));
        }
    }
    *NUMBER
}
"""


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, **{"cwd": HOME, **more})


def listed():
    """All mutants. Their numbers are their places, from 1; their diffs, without line numbers, tell them apart in any version."""
    files = [word for file in FILES for word in ("--file", file)]
    mutants = json.loads(run("cargo", "mutants", "--list", "--json", *files, check=True).stdout)
    for m in mutants:
        if not m["function"]:  # constants are what they are before anything runs
            print(f"not tried here, only by cargo-mutants itself: {m['name']}")
    mutants = [m for m in mutants if m["function"]]
    # The rule is SQL in strings, which cargo-mutants doesn't see.
    lines = (HOME / "tests/turned.txt").read_text().splitlines()
    mutants += [turned(mutants, *line.split("\t")) for line in lines if not line.startswith("#")]
    for number, m in enumerate(mutants, 1):
        m["number"], m["diff"] = number, re.sub(r"^@@.*\n", "", m["diff"], flags=re.M)
        changed = "".join(re.findall(r"^\+(?!\+\+ )(.*)", m["diff"], re.M)).replace(" /* ~ changed by cargo-mutants ~ */", "")
        m["line"] = f"{m['function']['function_name']}: {changed.strip() or m['name'].split(': ', 1)[1]}"
    return mutants


def turned(mutants, file, was, becomes):
    """A mutant by hand, like those of cargo-mutants: its function is one of which these change something, too."""
    text = (HOME / file).read_text()
    if was not in text:
        sys.exit(f"tests/turned.txt is stale: {file} has no {was}")
    place = lambda at: {"line": text.count("\n", 0, at) + 1, "column": at - (text.rfind("\n", 0, at) + 1) + 1}
    span = {"start": place(text.index(was)), "end": place(text.index(was) + len(was))}
    order = lambda place: (place["line"], place["column"])
    holds = lambda m: m["file"] == file and order(m["function"]["span"]["start"]) <= order(span["start"]) < order(m["function"]["span"]["end"])
    function = next((m["function"] for m in mutants if holds(m)), None) or sys.exit(f"tests/turned.txt: no function of {file} holds {was}")
    diff = f"--- {file}\n-{was}\n+{becomes}\n"
    return {"name": f"{file}: {was} -> {becomes}", "file": file, "function": function, "span": span, "replacement": becomes, "diff": diff}


def write(path, data):
    """Writes a file; what is the same stays untouched, for cargo."""
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def schemata(source, mutants):
    """A source with all its mutants; of which mutant each line is, and the line at which each mutant is chosen: its door."""
    starts = [0]
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    at = lambda span: tuple(starts[span[end]["line"] - 1] + span[end]["column"] - 1 for end in ("start", "end"))
    functions = {}
    for m in mutants:
        functions.setdefault(at(m["function"]["span"]), []).append(m)
    out, done, lines, doors = "", 0, {}, {}
    for (start, end), group in sorted(functions.items(), key=lambda f: f[0]):
        name = re.compile(r"^\s*(pub(\([\w: ]+\))? )?(const |async )*fn ", re.M).search(source, source.rindex("\n", 0, start) + 1)
        body = source.index("{", name.end())
        head = source[name.start() : body].replace("const fn", "fn", 1)  # nothing is called where a constant is wanted
        before, after = "{", "}"
        if "async fn" in head:  # each future in a box, so that the whole is not as large as all of them
            before, after = "futures_util::FutureExt::boxed(async move {", "}).await"
        elif "-> impl Iterator" in head:  # arms of one type
            before, after = "Iterator::collect::<Vec<_>>({", "}).into_iter()"
        out += f"{source[done : name.start()]}{head}{{ match crate::mutant() {{\n"
        door = out.count("\n")
        for m in group:
            a, b = at(m["span"])
            first = out.count("\n") + 1
            out += f"{m['number']} => {before}{source[body + 1 : a]}{m['replacement']}{source[b : end - 1]}{after},\n"
            lines.update({line: m["number"] for line in range(first, out.count("\n") + 1)})
            doors[m["number"]] = door
        out += f"_ => {before}{source[body + 1 : end - 1]}{after},\n}}}}"
        done = end
    return out + source[done:], lines, doors


def build(mutants):
    """Builds the copy, without the mutants that don't compile. Gives the tests' program, why those don't, and the doors."""
    files = {m["file"] for m in mutants}
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", check=True).stdout.splitlines():
        # The tests drop what an earlier run left for an hour; here the earlier run is the last mutant's.
        data = (HOME / name).read_bytes().replace(b"interval '1 hour' limit", b"interval '10 minutes' limit")
        if name not in files:
            write(COPY / name, data + MUTANT.encode() if name == "src/lib.rs" else data)
    known = HERE / "unviable.json"
    unviable = json.loads(known.read_text()) if known.exists() else {}
    while True:
        where, doors = {}, {}
        for file in files:
            viable = [m for m in mutants if m["file"] == file and m["diff"] not in unviable]
            text, where[file], chosen = schemata((HOME / file).read_text(), viable)
            write(COPY / file, text.encode())
            doors.update({number: f"{file}:{line}" for number, line in chosen.items()})
        done = run("cargo", "test", "--locked", "--test", "main", "--no-run", "--message-format", "json", cwd=COPY,
                   env={**os.environ, "CARGO_TARGET_DIR": str(HERE / "target")}, stderr=subprocess.DEVNULL)
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode == 0:
            return next(s["executable"] for s in said if s.get("executable") and s["target"]["name"] == "main"), unviable, doors
        wrong = {}
        for message in (s["message"] for s in said if s.get("reason") == "compiler-message" and s["message"]["level"] == "error"):
            numbers = [where.get(s["file_name"], {}).get(s["line_start"]) for s in message["spans"] if s["is_primary"]]
            wrong.update({mutants[number - 1]["diff"]: message["message"] for number in numbers if number})
            if message["spans"] and not any(numbers):
                print(message["rendered"])
        if not wrong:
            sys.exit("The copy doesn't build, and not for a mutant.")
        unviable.update(wrong)
        known.write_text(json.dumps(unviable))


def tests(program, number, names, **environment):
    """Runs tests with a mutant. Gives how it ended, and who noticed."""
    if not names:
        return "survived", ""
    environment |= {"MUTANT": str(number), "INSTA_UPDATE": "no", "RUST_MIN_STACK": str(64 << 20)}
    running = subprocess.Popen([program, "--exact", *names], cwd=COPY, env=os.environ | environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    said, seconds, began = None, 0, time.monotonic()
    while said is None and seconds < SECONDS:
        try:
            said = running.communicate(timeout=1)[0]
        except subprocess.TimeoutExpired:
            seconds += 1
    how = "timed out" if said is None else "caught" if running.returncode else "survived"
    if said is None:
        os.killpg(running.pid, signal.SIGKILL)
        said = running.communicate()[0]
    if how == "caught" and time.monotonic() - began > seconds * 1.2 + 5:
        return tests(program, number, names, **environment)  # all was stopped for a while, and tests that wait don't like that
    noticed = re.search(r"^caught in .*(\n.*)?|^test .* \.\.\. FAILED|.*overflowed.*", said, re.M)
    return how, noticed[0].replace("\n", " ")[:200] if noticed else ""


def trace(program):
    """How long each test takes and by which doors it comes: each alone, without a mutant; once for each program."""
    kept, stamp = HERE / "traced.json", [program, os.stat(program).st_mtime]
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if known.get("program") == stamp:
        return {name: (seconds, set(by)) for name, (seconds, by) in known["tests"].items()}
    names = [line[: -len(": test")] for line in run(program, "--list", cwd=COPY).stdout.splitlines() if line.endswith(": test")]
    names = [name for name in names if not name.startswith(SKIPPED)]
    tests(program, 0, names[:1])  # makes the cluster
    (HERE / "doors").mkdir(exist_ok=True)

    def one(name):
        file, began = HERE / "doors" / name.replace(":", "_"), time.monotonic()
        file.unlink(missing_ok=True)
        how, noticed = tests(program, 0, [name], MUTANT_DOORS=str(file))
        if how != "survived":
            print(f"{name} fails without a mutant, and is left out: {noticed}")
        is_good = how == "survived" and file.exists()
        return name, (time.monotonic() - began, set(file.read_text().split()) if is_good else set())

    with ThreadPoolExecutor(JOBS) as pool:
        found = dict(pool.map(one, names))
    kept.write_text(json.dumps({"program": stamp, "tests": {name: (seconds, list(by)) for name, (seconds, by) in found.items()}}))
    return found


def who(noticed):
    """The test that noticed a mutant."""
    by = re.search(r"^caught in (\S+): |^test (\S+) \.\.\. FAILED", noticed)
    return by and (by[1] or by[2])


def attempt(program, m, door, names, known):
    """Runs tests with a mutant, a few at a time; first those that noticed most others at the same door, and in the same file."""
    names = sorted(names, key=lambda name: (-known[door][name], -known[m["file"]][name]))
    for few in (names[at : at + FEW] for at in range(0, len(names), FEW)):
        how, noticed = tests(program, m["number"], few)
        if how != "survived":
            for place in (door, m["file"]):
                known[place].update([who(noticed)] if who(noticed) else [])
            return how, noticed
    return "survived", ""


def main():
    everything = listed()
    program, unviable, doors = build(everything)
    mutants = [m for m in everything if not sys.argv[1:] or any(word in m["name"] for word in sys.argv[1:])]
    traced, kept, same = trace(program), HERE / "outcomes.json", (HOME / "tests/mutants.txt").read_text().splitlines()
    outcomes = json.loads(kept.read_text()) if kept.exists() else {}
    for m in mutants:
        if m["diff"] in unviable or m["line"] in same:
            outcomes[m["diff"]] = ["unviable", unviable[m["diff"]]] if m["diff"] in unviable else ["the same", ""]
    left = [m for m in mutants if outcomes.get(m["diff"], ["survived"])[0] == "survived"]
    reached = {m["number"]: (outcomes.get(m["diff"], []) + [0, 0, 0])[2] % STAGES for m in left}
    # First what is about this and short; what takes long comes last.
    stages = {name: 3 if seconds > 10 else 1 if name.startswith("permission::") else 2 for name, (seconds, _) in traced.items()}
    known = defaultdict(Counter)
    for m in everything:
        how, noticed = outcomes.get(m["diff"], ["", ""])[:2]
        if how == "caught" and who(noticed):
            known[doors.get(m["number"])][who(noticed)] += 1
            known[m["file"]][who(noticed)] += 1
    for stage in range(1, STAGES + 1):
        at_doors = lambda door: [name for name, (_, by) in traced.items() if stages[name] == stage and door in by]
        with ThreadPoolExecutor(JOBS) as pool:
            at = lambda m: doors[m["number"]]
            new = [m for m in left if reached[m["number"]] < stage]
            running = {pool.submit(attempt, program, m, at(m), at_doors(at(m)), known): m for m in new}
            for done in as_completed(running):
                m, (how, noticed) = running[done], done.result()
                outcomes[m["diff"]] = [how, noticed, stage]
                kept.write_text(json.dumps(outcomes))
                print(f"{how} in stage {stage}: {m['name']} | {noticed}", flush=True)
        left = [m for m in left if outcomes[m["diff"]][0] == "survived"]
    for how in ("unviable", "timed out", "survived"):
        of = [f"{m['name']} | {m['line']} | {outcomes[m['diff']][1]}" for m in mutants if outcomes[m["diff"]][0] == how]
        print(f"\n{how}:", *of, sep="\n")
    print("\n", dict(Counter(outcomes[m["diff"]][0] for m in mutants)))
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
