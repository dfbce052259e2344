# One Makefile, not recursive; sources by wildcard, dependencies by -MMD -MP. `make help` lists the targets.
VERSION := 0.1.0
PREFIX ?= /usr/local
CC ?= gcc
SAN ?=
COV ?=
B ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma := ,
T ?= 60

PKGS := libmicrohttpd libssl libcrypto jansson libcurl yaml-0.1 sqlite3 expat
WARN := -std=c11 -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wformat=2 -Wundef -Wvla -Wcast-qual \
	-Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
	-Wnull-dereference -Wimplicit-fallthrough
HARDEN := -fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fPIE
OPT ?= $(if $(SAN),-O1,-O2) -g
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CPPFLAGS := -I. -I$(B)/gen -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"'
CFLAGS = $(WARN) $(OPT) $(HARDEN) $(SANFLAGS) $(shell pkg-config --cflags $(PKGS))
LDFLAGS := -pie -Wl,-z,relro,-z,now -pthread $(SANFLAGS)
LDLIBS = $(shell pkg-config --libs $(PKGS)) -lm

GEN := $(patsubst server/bootstrap/%.sh,$(B)/gen/%_sh.h,$(wildcard server/bootstrap/*.sh)) \
	$(patsubst server/bootstrap/%.ps1,$(B)/gen/%_ps1.h,$(wildcard server/bootstrap/*.ps1)) $(B)/gen/cirun_yml_page_md.h
LIB_SRC := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c providers/*.c providers/*/*.c))
SIM_SRC := $(filter-out %_main.c,$(wildcard tests/sim/*.c)) $(wildcard tests/support/*.c)
TEST_SRC := $(wildcard tests/unit/test_*.c tests/contract/test_*.c tests/e2e/test_*.c)
TEST_SCRIPTS := $(if $(SAN),tests/chaos/test_chaos.sh,$(wildcard tests/*/test_*.sh tests/*/test_*.py))
# ThreadSanitizer has something to look at where threads meet. Of the suites that set the engine's clock, all with the
# same threads, it takes a few.
ifeq ($(SAN),thread)
ENGINE_SUITES := $(shell grep -l engine_bed.h tests/e2e/test_*.c)
ENGINE_TAKEN := $(patsubst %,tests/e2e/test_%.c,engine engine_clock engine_limits engine_silence idle_pool \
	catch_up_jobs report)
TEST_SRC := $(filter-out tests/unit/% tests/contract/% $(filter-out $(ENGINE_TAKEN),$(ENGINE_SUITES)),$(TEST_SRC)) \
	$(shell grep -l pthread tests/unit/test_*.c tests/contract/test_*.c)
TEST_SCRIPTS :=
endif
TOOL_SRC := $(wildcard tests/sim/*_main.c tests/bench/*_main.c tests/conformance/*_main.c tests/e2e/*_main.c)
CHAOS_SRC := $(wildcard tests/chaos/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC))
TOOLS := $(patsubst tests/%_main.c,$(B)/tests/%,$(TOOL_SRC))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
REPLAYS := $(if $(filter thread,$(SAN)),,$(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(FUZZ_SRC)))

.PHONY: all deps docs test chaos test-openstack lint format demo kills soak bench fuzz check-all install clean help
.SECONDARY: $(GEN)
all: $(B)/muster

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

deps: ## install what is missing (Debian packages)
	@sh deploy/install-deps.sh $(DEPS)

$(B)/gen/%_sh.h: server/bootstrap/%.sh server/bootstrap/embed.awk
	@mkdir -p $(@D)
	awk -v name=$*_sh -f server/bootstrap/embed.awk $< >$@.tmp && mv $@.tmp $@
$(B)/gen/%_ps1.h: server/bootstrap/%.ps1 server/bootstrap/embed.awk
	@mkdir -p $(@D)
	awk -v name=$*_ps1 -f server/bootstrap/embed.awk $< >$@.tmp && mv $@.tmp $@

$(B)/gen/%_md.h: server/config/%.md server/config/embed.awk
	@mkdir -p $(@D)
	awk -v name=$*_md -f server/config/embed.awk $< >$@.tmp && mv $@.tmp $@

$(B)/obj/%.o: %.c | deps $(GEN)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/libmuster.a: $(call obj,$(LIB_SRC))
	@rm -f $@ && ar rcs $@ $^
$(B)/libsim.a: $(call obj,$(SIM_SRC))
	@rm -f $@ && ar rcs $@ $^

$(B)/muster: $(call obj,server/main.c) $(B)/libmuster.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(TESTS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/libsim.a $(B)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
$(TOOLS): $(B)/tests/%: $(B)/obj/tests/%_main.o $(B)/libsim.a $(B)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Chance and the way out are the simulation's own.
$(B)/tests/chaos/chaos: $(call obj,$(CHAOS_SRC)) $(B)/libsim.a $(B)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -Wl,--wrap=httpc_do,--wrap=crypto_random,--wrap=crypto_rs256 -o $@ $^ $(LDLIBS)

$(FUZZERS): $(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
$(REPLAYS): $(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(B)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Before the C library of a daemon under test; sanitizers stay out of it.
$(B)/preload.so: tests/preload/preload.c tests/preload/shim.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $<

build-tests: $(B)/muster $(TESTS) $(REPLAYS) $(TOOLS) $(B)/tests/chaos/chaos $(B)/preload.so

test: $(if $(SAN),,lint) build-tests ## lint, unit, contract and end-to-end tests
	@B=$(B) SEEDS=$(or $(SEEDS),$(if $(SAN),15)) bash tests/run.sh $(TESTS) $(REPLAYS) $(TEST_SCRIPTS)

chaos: $(B)/tests/chaos/chaos ## SEEDS=10000 simulated worlds, each with its own faults and kills; FIRST=1
	@$< $(or $(SEEDS),1000) $(or $(FIRST),1) $(shell nproc)

test-openstack: $(B)/tests/conformance/openstack ## the provider against a real OpenStack on loopback; as root it installs what is missing
	@B=$(B) bash tests/openstack/stack.sh $<

lint: | deps ## layers, sizes, banned functions, formatting
	@bash tests/lint/lint.sh

format: ## clang-format everything
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i

docs: $(B)/muster ## rewrite what is made from the table of keys: deploy/schema, deploy/docs
	@mkdir -p deploy/schema deploy/docs
	@$< check --print schema >deploy/schema/cirun.schema.json
	@$< check --print access-schema >deploy/schema/access.schema.json
	@$< check --print docs >deploy/docs/cirun-yml.md

demo: $(B)/muster $(addprefix $(B)/tests/sim/,github ec2 demo) ## the founding story on this machine, no account anywhere
	@B=$(B) bash tests/sim/demo.sh

kills: $(B)/muster $(B)/preload.so $(B)/tests/e2e/kills ## N=1000 SEED=1: real kills at random moments, counted against the simulators
	@B=$(B) KILLS=$(or $(N),1000) KILLS_SEED=$(or $(SEED),1) $(B)/tests/e2e/kills

soak: $(B)/muster $(B)/preload.so $(B)/tests/e2e/soak ## N=10000 jobs in S=180 seconds, an hour of the daemon: what it holds stays flat
	@B=$(B) SOAK_JOBS=$(N) SOAK_SECONDS=$(S) SOAK_SEED=$(SEED) $(B)/tests/e2e/soak

bench: build-tests ## measured aims, as ratios
	@B=$(B) bash tests/bench/bench.sh

fuzz: ## every parser, T seconds each
	@B=build/fuzz T=$(T) bash tests/fuzz/fuzz.sh $(FUZZ_SRC)

install: $(B)/muster ## PREFIX=/usr/local, DESTDIR honoured
	install -D -m 0755 $(B)/muster $(DESTDIR)$(PREFIX)/bin/muster

clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
