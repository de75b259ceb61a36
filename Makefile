# Two commands to start: `make demo` and `make test`.
# CONTRIBUTING.md says what each target costs.

.PHONY: demo test soak bench bench-large dist fmt lint fuzz

# The whole story on practice stores of both platforms. Needs Rust and a C compiler, no root, no network. SEED=7 tells another one.
demo:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	cargo run --profile demo --locked -p caretaker -- demo --once --dir "$$dir/cell" $(if $(SEED),--seed $(SEED))

# Everything. Installs what it needs with the system's package manager, fails where a suite could not run;
# ALLOW_SKIPPED=1 lets it pass without those, and names them.
test:
	@ALLOW_SKIPPED="$(ALLOW_SKIPPED)" scripts/run-tests

# The same, with the long tests at full length. Writes what came of it into docs/soak.md.
soak:
	@ALLOW_SKIPPED="$(ALLOW_SKIPPED)" scripts/soak

# Speed and memory against the table in docs, and beside restic's where that is installed.
bench:
	@scripts/bench

bench-large:
	@scripts/bench large

# Every parser of outside bytes under libFuzzer, SECONDS_EACH=20 for each; TARGETS="picker segment" for some.
fuzz:
	@SECONDS_EACH="$(SECONDS_EACH)" scripts/fuzz $(TARGETS)

# Stripped binaries that need the C library alone: target/dist/caretaker, and caretaker-prove and caretaker-verify beside it.
dist:
	@scripts/build-dist

fmt:
	cargo fmt --all

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
