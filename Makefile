.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(PATH):$(HOME)/.cargo/bin

target_dir := $(or $(CARGO_TARGET_DIR),target)
majors ?= 15 17
scripts = install uninstall .ci/run $(shell find tests .github -name '*.sh' 2>/dev/null | sort)
# Each job's script follows the one that they share, and those of physical backups another one.
session = templates/entrypoint/session.sh
shared_jobs = templates/jobs/common.sh templates/jobs/physical.sh
jobs = $(filter-out $(shared_jobs),$(wildcard templates/jobs/*.sh))
# The parts of the pods' script make sense together only.
parts = $(shell sed -n 's|.*include_str!("../../\(templates/entrypoint/[a-z]*.sh\)").*|\1|p' src/expand/templates.rs)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: need-cargo
need-cargo:
	@command -v cargo >/dev/null || { echo "cargo is missing: apt-get install -y cargo (Debian 13 or newer), or https://rustup.rs" >&2; exit 1; }

# Static, so that it starts fast and runs on any Linux. The explicit target keeps the flags away
# from procedural macros, which cannot be static.
host := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')

.PHONY: need-lints
need-lints: need-cargo
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || \
	  { echo "rustfmt or clippy is missing: apt-get install -y rustfmt rust-clippy, or rustup component add rustfmt clippy" >&2; exit 1; }

.PHONY: build
build: need-cargo ## Build bin/voodu-postgres
	RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static" cargo build --release --locked --target $(host)
	@install -m 755 $(target_dir)/$(host)/release/voodu-postgres bin/.voodu-postgres.new
	@mv -f bin/.voodu-postgres.new bin/voodu-postgres

.PHONY: lint
lint: need-lints ## Check format, clippy, the documentation and the shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	@if command -v shellcheck >/dev/null; then \
	  echo "shellcheck $(words $(scripts)) scripts"; shellcheck $(scripts); \
	  cat $(parts) | shellcheck -s bash -; shellcheck -s bash templates/create_replication.sh templates/psql_in_pod.sh; \
	  for script in divergence remains; do \
	    cat templates/entrypoint/wal.sh templates/volume.sh templates/$$script.sh | shellcheck -s bash -; \
	  done; \
	  cat $(session) templates/session_in_pod.sh | shellcheck -s bash -; \
	  for job in $(jobs); do \
	    case $$job in *physical_*) shared="$(shared_jobs)" ;; *) shared=templates/jobs/common.sh ;; esac; \
	    cat $(session) $$shared "$$job" | shellcheck -s bash -; \
	  done; \
	else \
	  echo "shellcheck is missing (apt-get install -y shellcheck): only the syntax is checked"; \
	  for script in $(scripts) $(parts) $(wildcard templates/jobs/*.sh) templates/create_replication.sh templates/volume.sh templates/divergence.sh templates/remains.sh; do bash -n "$$script"; done; \
	fi

# Brings docker and the images, then runs its argument. Exit 3 of provision.sh: no docker can be had.
define with_docker
	@status=0; bash tests/provision.sh || status=$$?; \
	if [ $$status -eq 0 ]; then \
	  bash tests/images/build.sh $(majors); $(1); \
	elif [ $$status -ne 3 ] || [ "$${CI:-}" = true ]; then \
	  echo "docker is needed here and cannot be had: failing" >&2; exit 1; \
	else \
	  $(2); \
	fi
endef

skipped = echo "!!! NO DOCKER: the end-to-end tests on real postgres are SKIPPED, nothing below proves them !!!" >&2

.PHONY: test
test: build ## Run every test; end-to-end on real postgres needs docker and brings it when it can
	$(call with_docker,cargo test --workspace --locked,$(skipped); VOODU_E2E=skip cargo test --workspace --locked; $(skipped))

.PHONY: e2e
e2e: build ## Run only the end-to-end tests
	$(call with_docker,cargo test --locked --test e2e,echo "no docker" >&2; exit 1)

.PHONY: faults
faults: build ## Run the long repetitions: kills, promotes under load, both majors
	$(call with_docker,cargo test --locked --test cli --test e2e -- --ignored --test-threads=1,echo "no docker" >&2; exit 1)

.PHONY: soak
soak: need-cargo ## Random steps on two clusters: SEED=1 MINUTES=60 MAJOR=15, or the steps of REPLAY=file
	$(call with_docker,cargo test --locked --test soak,echo "no docker" >&2; exit 1)

.PHONY: bench
bench: build ## Measure; figures to compare within one run on one machine
	@bash tests/bench.sh

.PHONY: demo
demo: ## Bring up a three-node cluster to try things on
	@bash tests/demo.sh up

.PHONY: demo-down
demo-down: ## Remove the demo cluster
	@bash tests/demo.sh down

# musl, because a static glibc cannot look names up without that glibc's shared libraries.
triples := x86_64-unknown-linux-musl aarch64-unknown-linux-musl
installed = $(wildcard $(shell rustc --print sysroot 2>/dev/null)/lib/rustlib/*)
missing = $(filter-out $(notdir $(installed)),$(triples))
# What encrypts has parts in C that need nothing of a C library, so any one's compiler does.
c_compiler = $(if $(filter $(1),$(shell uname -m)),cc,$(1)-linux-gnu-gcc)
cross: export CC_x86_64_unknown_linux_musl ?= $(call c_compiler,x86_64)
cross: export CC_aarch64_unknown_linux_musl ?= $(call c_compiler,aarch64)

.PHONY: cross
cross: need-cargo ## Build the release files for linux amd64 and arm64 in dist/
	@[ -z "$(missing)" ] || { echo "their standard library is missing: rustup target add $(missing)" >&2; exit 1; }
	@for compiler in $$CC_x86_64_unknown_linux_musl $$CC_aarch64_unknown_linux_musl; do \
	  command -v "$$compiler" >/dev/null || { echo "$$compiler is missing: apt-get install -y gcc-x86-64-linux-gnu or gcc-aarch64-linux-gnu" >&2; exit 1; }; \
	done
	@rm -rf dist; mkdir dist
	@for pair in amd64:x86_64 arm64:aarch64; do \
	  triple=$${pair#*:}-unknown-linux-musl file=voodu-postgres_linux_$${pair%:*}; \
	  RUSTFLAGS="-Clinker=rust-lld -Clink-self-contained=yes -Crelocation-model=static" cargo build --release --locked --target "$$triple"; \
	  install -m 755 "$(target_dir)/$$triple/release/voodu-postgres" "dist/$$file"; \
	  if readelf -lW "dist/$$file" | grep INTERP; then echo "dist/$$file is not static" >&2; exit 1; fi; \
	  (cd dist && sha256sum "$$file" >"$$file.sha256"); \
	done
	@ls -l dist

.PHONY: tag-is-version
tag-is-version: need-cargo ## Check that TAG=v… is the version in every file that has one
	@grep -qxF "version: $(patsubst v%,%,$(filter v%,$(TAG)))" plugin.yml || \
	  { echo "the tag '$(TAG)' and plugin.yml differ: $$(grep ^version: plugin.yml)" >&2; exit 1; }
	cargo test --locked --lib docs
	cargo test --locked --test repository
	cargo test --locked --test cli readme

.PHONY: need-plugins-root
need-plugins-root:
	@[ -n "$(PLUGINS_ROOT)" ] || { echo "usage: make install-local PLUGINS_ROOT=/opt/voodu/plugins" >&2; exit 1; }

# Staged beside its place under the hidden name that the controller uses itself, then renamed.
.PHONY: install-local
install-local: need-plugins-root build ## Install into a controller's plugins directory: PLUGINS_ROOT=/opt/voodu/plugins
	@mkdir -p "$(PLUGINS_ROOT)"; rm -rf "$(PLUGINS_ROOT)"/.install-postgres.*; \
	new=$$(mktemp -d "$(PLUGINS_ROOT)/.install-postgres.XXXXXX"); old=$$new.old; \
	install -m 644 plugin.yml "$$new/plugin.yml"; \
	install -m 755 install uninstall "$$new/"; \
	install -D -m 755 bin/voodu-postgres "$$new/bin/voodu-postgres"; \
	if [ -e "$(PLUGINS_ROOT)/postgres" ]; then mv -T "$(PLUGINS_ROOT)/postgres" "$$old"; fi; \
	mv -T "$$new" "$(PLUGINS_ROOT)/postgres"; rm -rf "$$old"; \
	echo "installed into $(PLUGINS_ROOT)/postgres"

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(target_dir) dist bin/voodu-postgres
