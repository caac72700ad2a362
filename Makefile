# make run    opens nattui in its lab; make test runs every test.
# Both install what is missing of iptables, nftables, conntrack and iproute2
# with the system's package manager, and need nothing else but Go.

GO ?= go
# Runs demo.tape; any program that understands VHS tapes will do.
TAPE ?= vhs

# Debian keeps administration tools where ordinary users do not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export CGO_ENABLED := 0
export LC_ALL := C

BUILD := $(GO) build -trimpath -ldflags='-s -w'
PLATFORMS := linux/amd64 linux/arm64 linux/arm linux/mipsle

.PHONY: build run test check race bench demo generate deps cross clean

build:
	$(BUILD) -o nattui ./cmd/nattui

run: build
	@.ci/deps iptables
	./nattui lab

test: deps check race
	$(GO) test -timeout 10m ./...

check:
	$(GO) vet ./...
	@out=$$($(GO) tool gofumpt -l cmd model rules $(wildcard ui)); \
	if [ -n "$$out" ]; then echo "not formatted, run: go tool gofumpt -w ."; echo "$$out"; exit 1; fi
	$(GO) tool staticcheck ./...

# The values and the screens under the race detector, which needs a C compiler.
race:
	@if command -v gcc >/dev/null; then \
		echo "go test -race: the values and the screens"; \
		CGO_ENABLED=1 $(GO) test -race -short -timeout 10m ./rules ./rules/evaluate ./rules/paste ./model/flow ./model/filter ./model/facts ./model/explain ./model/doctor ./model/traced ./ui/...; \
	else echo "no C compiler: the race detector is left out"; fi

bench: deps
	.ci/bench docs/performance.md

demo: build
	$(TAPE) demo.tape

generate:
	$(GO) generate ./...

deps:
	@.ci/deps iptables ip6tables nft conntrack ip

cross:
	@mkdir -p dist
	@for platform in $(PLATFORMS); do \
		name=dist/nattui-$$(echo $$platform | tr / -); echo $$name; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} GOARM=7 GOMIPS=softfloat $(BUILD) -o $$name ./cmd/nattui || exit 1; \
	done

clean:
	rm -rf nattui dist
