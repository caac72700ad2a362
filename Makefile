# make run    opens nattui in its lab; make test runs every test; make packages builds what is installed.
# Both install what is missing of iptables, nftables, conntrack and iproute2
# with the system's package manager, and need nothing else but Go.

GO ?= go
# Makes the pictures; any program that understands VHS tapes will do.
TAPE ?= vhs

# Debian keeps administration tools where ordinary users do not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export CGO_ENABLED := 0
export LC_ALL := C

# Most tests wait for kernels and programs rather than compute: more packages than cores at a time.
PACKAGES := $(shell echo $$((2 * $$(nproc))))

BUILD := $(GO) build -trimpath -ldflags='-s -w'
# Every machine that nattui is built for. make check vets it for each; the run of the tests does so for this one.
ARCHS := amd64 arm64 arm mips mipsle 386 riscv64 s390x
export GOARM := 7
export GOMIPS := softfloat

.PHONY: build run test check race bigendian bench demo generate deps cross packages clean

build:
	$(BUILD) -o nattui ./cmd/nattui

run: build
	@.ci/deps iptables
	./nattui lab

test: deps
	@$(MAKE) --no-print-directory check VETTED=
	@$(MAKE) --no-print-directory race bigendian
	$(GO) test -p $(PACKAGES) -timeout 15m ./...
	cd packaging && $(GO) test -timeout 15m ./...

# Type-checks and vets the project for every machine, VETTED says for which else than this one.
VETTED ?= $(ARCHS)
check:
	$(GO) vet ./...
	@for arch in $(VETTED); do echo "go vet, for $$arch"; GOARCH=$$arch $(GO) vet ./... || exit 1; done
	@out=$$($(GO) tool gofumpt -l cmd model packaging rules ui); \
	if [ -n "$$out" ]; then echo "not formatted, run: go tool gofumpt -w ."; echo "$$out"; exit 1; fi
	$(GO) tool staticcheck ./...
	@check=$$($(GO) tool -n staticcheck) && cd packaging && echo "go vet, staticcheck: packaging" && $(GO) vet ./... && "$$check" ./...

# All packages under the race detector, which needs a C compiler; in short mode, as it is slow.
race: deps
	@if command -v gcc >/dev/null; then \
		echo "go test -race -short ./..."; \
		CGO_ENABLED=1 $(GO) test -p $(PACKAGES) -race -short -timeout 15m ./...; \
	else echo "no C compiler: the race detector is left out"; fi

# The values and the decoders of what the kernel says on a big-endian machine, where there is an
# emulator of one (qemu-user-static); what needs the kernel skips itself there.
bigendian:
	@qemu=$$(command -v qemu-s390x-static || command -v qemu-s390x); if [ -n "$$qemu" ]; then \
		echo "go test -short, for s390x"; \
		NATTUI_COMPLETE= GOARCH=s390x $(GO) test -short -timeout 15m -exec "$$qemu" ./rules ./rules/evaluate ./rules/iptables ./rules/nfnetlink ./rules/nft ./rules/nftables ./rules/paste ./model/flow ./model/filter ./model/facts ./model/conntrack ./model/trace ./model/host; \
	else echo "no qemu-s390x: what differs on big-endian machines is left out"; fi

bench: deps
	.ci/bench docs/performance.md

# The pictures of the README, each from its tape. It fails where one was not made anew, or is larger than people with
# slow lines should have to load; the one that is there stays then. A busy machine drops frames: look at them before they
# are committed. In plain C the screens would draw in ASCII.
demo: export LC_ALL := C.UTF-8
demo: build
	@for tape in demo.tape docs/pictures/*.tape; do \
		picture=$$(sed -n 's/^Output //p' $$tape); aside=$${picture%.gif}.new; echo "$$tape: $$picture"; \
		sed "s|^Output .*|Output $$aside.gif|" $$tape >$$aside.tape; \
		most=600000; [ $$tape = demo.tape ] && most=4000000; \
		if ! $(TAPE) $$aside.tape >/dev/null; then why="its tape failed"; \
		elif ! [ -s $$aside.gif ]; then why="its tape made none"; \
		elif size=$$(wc -c <$$aside.gif); [ $$size -gt $$most ]; then why="$$size bytes, at most $$most"; \
		else why=; mv $$aside.gif $$picture; fi; \
		rm -f $$aside.gif $$aside.tape; \
		[ -z "$$why" ] || { echo "$$picture is left as it was: $$why"; exit 1; }; \
	done

generate:
	$(GO) generate ./...

deps:
	@.ci/deps iptables ip6tables nft conntrack ip

cross:
	@mkdir -p dist
	@for arch in $(ARCHS); do \
		name=dist/nattui-linux-$$arch; echo $$name; \
		GOOS=linux GOARCH=$$arch $(BUILD) -o $$name ./cmd/nattui || exit 1; \
	done

# Packages for Debian, RPM systems, Alpine, Arch and OpenWrt, with checksums and a bill of materials. What is built
# can be narrowed: make packages PACKAGE='-arch arm64 -format deb'. VERSION says which version it is, where git does not;
# MAINTAINER='Name <address>' who answers for packages that are handed on. They take the place of those that were made before.
packages:
	cd packaging && $(GO) run . $(PACKAGE)

clean:
	rm -rf nattui dist
