# Two commands: `make run` and `make test`.
CARGO_DENY = 0.20.2

.PHONY: run test fmt deny postgres bench attack mutants fuzz soak test-peers

run: postgres
	@echo "First steps, once it says where it listens: the commands under Start in README.md, in another terminal."
	cargo run --release -- serve --project examples/newsroom --data .rowhouse

test: postgres fmt deny
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace; status=$$?; \
	cargo run -q --locked -- plan --data target/test-cluster >/dev/null 2>&1; exit $$status # the last user stops the tests' cluster

fmt:
	cargo fmt --all --check

deny:
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --version $(CARGO_DENY) --locked
	cargo deny check bans licenses sources

# PostgreSQL's package, if no initdb is found.
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	if command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends postgresql; \
	elif command -v brew >/dev/null; then brew install postgresql; \
	else echo "Install PostgreSQL 14 or newer (initdb and postgres) with your package manager."; exit 1; fi

# Other people's clients and a browser against a server of ours: wants Node, Python and apt-get or Chromium.
test-peers: postgres
	cargo build --locked
	bash tests/peers/run.sh target/debug/rowhouse

# Side by side with PostgREST and with pgbench, in turns within one run; writes benches/RESULTS.md. Takes up to 20 minutes.
bench: postgres
	cargo bench --locked --bench side_by_side

# What hurt once, against a release build: answers, time, peak memory, and how long a bystander waited.
attack: postgres
	cargo bench --locked --bench attack

# Query strings, documents, media types and cursors, for a minute: what breaks stays as a file beside the corpus.
FUZZ_MS = 15000
fuzz:
	BOLERO_RANDOM_ITERATIONS=1000000000 BOLERO_RANDOM_TEST_TIME_MS=$(FUZZ_MS) cargo test --locked --test fuzz -- --test-threads 1

# Two servers, everybody at work, and one trouble after the other, for ten minutes (`make test` has a minute of it).
SOAK_SECONDS = 600
soak: postgres
	SOAK_SECONDS=$(SOAK_SECONDS) cargo test --locked --release --test soak -- --nocapture

# Every operator of the rule, of the verdicts and of the statements turned round, one by one: some test must fail each time.
# Takes hours, and may be stopped and go on later.
CARGO_MUTANTS = 27.1.0
mutants: postgres
	@command -v cargo-mutants >/dev/null || cargo install cargo-mutants --version $(CARGO_MUTANTS) --locked
	python3 tests/mutants.py
