# orderschedd: one flat Makefile. `make help` lists the targets.
#
#   make demo     install what is missing, build, run three nodes, kill the leader, prove it
#                 (ORDERS=FILE.csv replays your own orders; TLS=1 with certificates, all in TLS)
#   make check    install what is missing, build, run all tests (TESTS="test_wheel it_*" for some)
#   make sim      run the simulator over SEEDS=200 seeds; make sim-selftest proves that it bites
#   make jepsen   break a real cluster (WORKLOAD=conserve NEMESIS=mix TIME=60, as root) and judge it,
#                 with TLS and authorisation on (PLAIN=1: without; WORKLOAD=grants: grants that change;
#                 HTTP=1: clients that speak HTTP);
#                 make jepsen-selftest proves that deliberate bugs are caught
#   make fresh    make demo and check on a bare Debian, cloned (DIST=trixie or bookworm, as root)
#   make fuzz     look for bytes from outside that break a decoder, for TIME=600 seconds in all, with
#                 clang's libFuzzer (TARGETS="entry url" for some)
#   make bench    measure everything against the goals, under 15 minutes (BENCH_SCALE=0.01: quickly)
#   make bench-peers   the same work done by Redis, beanstalkd, etcd, RabbitMQ and PostgreSQL, those
#                 that are there (PEERS="redis etcd"); make deps-peers installs them, starting none
#   make all      build the programs and the client library under build/
#   make deps     install the Debian packages that are missing, for all of it; make deps-build: only those that
#                 the programs are built with; make deps-tests: all but node, npm and chromium
#   make format   lay the code out as tests/test_format.sh wants it, with clang-format 14
#   make install  copy programs, library, header and unit file below PREFIX (and DESTDIR)
#   make uninstall     remove them again; configuration and data stay
#   make clean    remove what was built
#
#   SAN=address|undefined|thread   build with a sanitizer, under build-$(SAN)/; several with commas
#   V=1                            show the commands

SHELL := /bin/bash
# A locale that was not generated makes each shell complain, and tests compare what is said.
export LC_ALL := C.UTF-8
comma := ,
SAN ?=
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
TESTS ?=
ORDERS ?=
TLS ?=
V ?=
Q := $(if $(V),,@)

CC ?= cc
RAFT_VERSION := 0.22
PKGS := raft libuv libcurl libmicrohttpd jansson libcyaml yaml-0.1 libxxhash libsystemd openssl zlib
MSGPACK := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(MSGPACK) 2>/dev/null)
PKG_LIBS := -Wl,--as-needed $(shell pkg-config --libs $(PKGS) $(MSGPACK) 2>/dev/null) -lnng -lmbedtls -lmbedx509 -lmbedcrypto \
    -lpthread -lm
# libuv looks these up by name: see raft/disk/interpose.c.
PKG_LIBS += -Wl,--export-dynamic-symbol=pwritev -Wl,--export-dynamic-symbol=pwritev64

# With FUZZ=yes, which `make fuzz` gives: for libFuzzer, and whatever else this clang may warn of.
FUZZ ?=
WARN := -Wall -Wextra $(if $(FUZZ),,-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT := -O2 -g
SANITIZE := $(if $(FUZZ),fuzzer-no-link$(comma)address$(comma)undefined,$(SAN))
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CFLAGS ?=
ALL_CFLAGS = -std=gnu11 $(OPT) $(WARN) -fPIC -fvisibility=hidden -MMD -MP \
	-DORDERSCHEDD_VERSION='"$(VERSION)"' -D_GNU_SOURCE $(SANFLAGS) $(PKG_CFLAGS) $(CFLAGS)

# A folder's files go together. Each program has one of its own, with its main in the file of its
# name; all else in client/, raft/ and node/ is an archive of which programs take what they use.
in_folders = $(wildcard $(addsuffix /*.c,$(1)))
CTL_SRC := $(call in_folders,client/ctl)
BENCH_SRC := $(call in_folders,client/bench $(addprefix client/bench/,http measure replay))
SINK_SRC := $(call in_folders,client/sink)
CLIENT_SRC := $(call in_folders,$(addprefix client/,base text wire cert callback json lib survey top))
# What the client library is made of; the other files it needs are taken from the archive.
LIBRARY_SRC := $(wildcard client/lib/client*.c) client/wire/errors.c
RAFT_SRC := $(call in_folders,$(addprefix raft/,memory access forecast core loop peer consensus tls transport disk))
NODE_SRC := $(filter-out node/main.c,$(call in_folders,node \
    $(addprefix node/,metrics host commit dispatch callback api config front resource scheduler)))
ifneq ($(FUZZ),) # no more of them than the targets use
RAFT_SRC := $(filter-out raft/consensus/% raft/disk/%,$(RAFT_SRC))
NODE_SRC := $(call in_folders,$(addprefix node/,metrics host commit dispatch callback api config resource))
endif
# test_*.c are unit tests, it_*.c start programs of the same build directory. Each is a program.
TEST_SRC := $(shell find tests -name "test_*.c" -o -name "it_*.c")
TEST_SUPPORT_SRC := $(if $(FUZZ),$(addprefix tests/support/,bed.c raft_judge.c raft_stream.c \
    bench/snapshot_bench.c front/front_desk.c),$(call in_folders,tests/support $(addprefix tests/support/,bench cluster foreign front tls)))
PRELOAD_SRC := $(wildcard tests/preload/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
# The harness that breaks a real cluster.
JEPSEN_RUN_SRC := $(filter-out jepsen/mutants.c jepsen/bed/forwarder.c,$(call in_folders,jepsen \
    $(addprefix jepsen/,bed ask nemesis workload)))
JEPSEN_JUDGE_SRC := $(call in_folders,jepsen/judge jepsen/judge/access)
SIM_SRC := $(filter-out $(TEST_SRC),$(call in_folders,tests/sim tests/sim/check tests/sim/cluster))
# The files with deliberate bugs (raft/mutant.h): compiled once more, with the bugs, for self-tests.
MUTANT_SRC := $(sort tests/sim/mutants.c $(shell grep -lw MUTANT $(RAFT_SRC) $(NODE_SRC) $(SIM_SRC)))

JEPSEN := $(addprefix $(BUILD)/,jepsen jepsen-forwarder jepsen-check clock_shim.so)

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PEERS_DIR := tests/bench/peers
PEER_COMMON := $(call objs,$(addprefix $(PEERS_DIR)/peer_,main.c work.c load.c receive.c) \
    client/base/histogram.c $(addprefix client/bench/measure/,ids.c process.c))
# What the clients have in common, on a system in the test's own process.
PEER_WORK := $(filter-out %peer_main.o,$(PEER_COMMON))
LIBCLIENT := $(BUILD)/obj/libosdclient.a
LIBRAFT_ := $(BUILD)/obj/libosdraft.a
LIBNODE := $(BUILD)/obj/libosdnode.a
LIBSUPPORT := $(BUILD)/obj/libsupport.a
LIBRARY := $(BUILD)/libordersched
SONAME := libordersched.so.0
PROGRAMS := $(addprefix $(BUILD)/,orderschedd orderctl orderbench ordersink)
TEST_PROGRAMS := $(addprefix $(BUILD)/,$(basename $(notdir $(TEST_SRC))))
FUZZ_PROGRAMS := $(addprefix $(BUILD)/,$(basename $(notdir $(FUZZ_SRC))))
PRELOADS := $(patsubst tests/preload/%.c,$(BUILD)/%.so,$(PRELOAD_SRC))

# Build on all cores unless told otherwise. Not where one goal must end before the next begins.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
ifeq ($(MAKELEVEL)$(filter deps deps-build deps-tests check demo fresh fuzz bench sim sim-selftest jepsen jepsen-selftest \
    deps-jepsen bench-peers deps-peers install uninstall clean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

.SUFFIXES:
.SECONDARY: # keep the objects of programs
.DELETE_ON_ERROR:

# With `make deps-build all` on a new machine, what was installed is seen by another make.
ASKED_DEPS := $(filter deps deps-build deps-tests,$(MAKECMDGOALS))
.PHONY: all-behind-deps tests-behind-deps
all-behind-deps tests-behind-deps: $(ASKED_DEPS)
	@$(MAKE) $(JOBS) --no-print-directory $(@:-behind-deps=)

.PHONY: all
all: $(if $(ASKED_DEPS),all-behind-deps,$(PROGRAMS) $(LIBRARY).so $(LIBRARY).a \
    $(BUILD)/ordersched.pc)

# In steps: what the programs are built with, what tests need besides, and a browser, which only some need and not
# every machine can have: they say that they are skipped.
.PHONY: deps deps-build deps-tests
deps: deps-tests
	@packaging/deps-browser.sh || echo "deps: without them the tests in a browser are skipped."
deps-tests:
	@packaging/deps.sh
deps-build:
	@packaging/deps.sh --build

# The sub-make is needed: what pkg-config knows may have changed with deps. If the fuzz targets do not build,
# their test says so.
.PHONY: check
check: deps-tests
	@$(MAKE) $(JOBS) --no-print-directory all tests
	-@$(if $(TESTS),$(if $(findstring test_fuzz,$(TESTS)),,:)) $(MAKE) $(JOBS) --no-print-directory fuzz-programs
	@tests/run.sh --build $(BUILD) $(TESTS)

# As from a newcomer's clone: needs root and debootstrap, and some twenty minutes.
DIST ?= trixie
.PHONY: fresh
fresh:
	@TESTS='$(TESTS)' tests/fresh.sh $(DIST)
	@TESTS='$(TESTS)' tests/fresh.sh $(DIST) --user

.PHONY: tests
tests: $(if $(ASKED_DEPS),tests-behind-deps,$(PROGRAMS) $(LIBRARY).so $(LIBRARY).a \
    $(TEST_PROGRAMS) $(PRELOADS) $(BUILD)/ordersim $(BUILD)/ordersim-mutants $(JEPSEN) $(FUZZ_PROGRAMS))

# What only tests need is not installed for it.
.PHONY: demo
demo:
	@tests/demo/demo.sh "$(ORDERS)" --check
	@packaging/deps.sh --build
	@$(MAKE) $(JOBS) --no-print-directory all
	@BUILD=$(BUILD) TLS='$(TLS)' tests/demo/demo.sh "$(ORDERS)"

# The decoders' targets with libFuzzer, in a build of their own (docs/testing.md).
FUZZ_CC ?= clang
FUZZ_BUILD := build-fuzz
TARGETS ?=
.PHONY: fuzz fuzz-programs
fuzz: deps-tests
	@tests/fuzz/fuzz.sh --can '$(FUZZ_CC)'
	@$(MAKE) $(JOBS) --no-print-directory fuzz-programs
	@BUILD=$(FUZZ_BUILD) tests/fuzz/fuzz.sh $(TIME) $(TARGETS)
ifneq ($(FUZZ),)
fuzz-programs: $(FUZZ_PROGRAMS)
else
fuzz-programs:
	@! tests/fuzz/fuzz.sh --can '$(FUZZ_CC)' || \
	    $(MAKE) --no-print-directory CC='$(FUZZ_CC)' FUZZ=yes SAN= BUILD=$(FUZZ_BUILD) fuzz-programs
endif

# Each measurement starts a cluster of its own; the rows are in build/bench.json.
.PHONY: bench
bench: deps-tests
	@$(MAKE) $(JOBS) --no-print-directory all
	@BUILD=$(BUILD) tests/bench/bench.sh

# Other systems under the same work, in turns with ours; the rows are in build/bench-peers.json. A
# client is built where its library is there.
.PHONY: deps-peers
deps-peers:
	@packaging/deps-peers.sh

.PHONY: bench-peers
bench-peers: deps-tests
	@$(MAKE) $(JOBS) --no-print-directory all peers
	@BUILD=$(BUILD) tests/bench/peers/peers.sh

# The simulator over SEEDS seeds (the first ones, so that two runs compare), on all cores; and the
# proof that it finds deliberate bugs, which are compiled in only there.
SEEDS ?= 200
.PHONY: sim
sim: deps-tests
	@$(MAKE) $(JOBS) --no-print-directory $(BUILD)/ordersim
	@$(BUILD)/ordersim --seeds 1..$(SEEDS) --jobs $$(nproc)

.PHONY: sim-selftest
sim-selftest: deps-tests
	@$(MAKE) $(JOBS) --no-print-directory $(BUILD)/ordersim-mutants
	@$(BUILD)/ordersim-mutants --self-test --jobs $$(nproc)
	@for file in tests/sim/regress/*.txt; do $(BUILD)/ordersim-mutants --regress $$file || exit 1; done

# A real cluster of five, loaded, broken, healed and judged; needs root (docs/jepsen.md). And the
# proof that the judgement finds deliberate bugs.
WORKLOAD ?= conserve
NEMESIS ?= mix
TIME ?= 60
SEED ?=
PLAIN ?=
HTTP ?=
.PHONY: deps-jepsen
deps-jepsen:
	@packaging/deps-jepsen.sh

.PHONY: jepsen
jepsen: deps-tests deps-jepsen
	@$(MAKE) $(JOBS) --no-print-directory all $(JEPSEN)
	@$(BUILD)/jepsen --workload $(WORKLOAD) --nemesis $(NEMESIS) --time $(TIME)s \
	    $(if $(SEED),--seed $(SEED)) $(if $(PLAIN),--plain) $(if $(HTTP),--http)

.PHONY: jepsen-selftest
jepsen-selftest: deps-tests deps-jepsen
	@$(MAKE) $(JOBS) --no-print-directory all $(JEPSEN) $(BUILD)/orderschedd-mutants
	@BUILD=$(BUILD) jepsen/selftest.sh $(MUTANTS)

.PHONY: format
format:
	@find client raft node jepsen tests packaging -name '*.[ch]' -print0 | xargs -0 -n 40 -P $$(nproc) clang-format -i

# A BUILD elsewhere may hold what is not ours: of it only what is made here is removed.
MADE := obj peers demo $(notdir $(PROGRAMS) $(TEST_PROGRAMS) $(FUZZ_PROGRAMS) $(PRELOADS) $(JEPSEN)) jepsen-check \
    ordersim ordersim-mutants orderschedd-mutants yaml_json openapi.json npm libordersched.so libordersched.so.$(VERSION) \
    libordersched.a $(SONAME) ordersched.pc demo.json bench.json bench-peers.json
.PHONY: clean
clean:
	rm -rf build build-*
	@[ ! -d '$(BUILD)' ] || { cd '$(BUILD)' && rm -rf $(MADE); }
	@rmdir '$(BUILD)' 2>/dev/null || [ ! -d '$(BUILD)' ] || \
	    echo "$(BUILD) holds other files, which stay"

.PHONY: help
help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# Debian 12's own libraft loses acknowledged commands, so nothing is compiled against it.
.PHONY: libraries
libraries:
	@$(if $(shell pkg-config --atleast-version=$(RAFT_VERSION) raft && echo found),,\
	    $(error libraft $(RAFT_VERSION) or newer is needed but not installed: run `make deps-build`))
	@$(if $(shell pkg-config --exists $(PKGS) $(MSGPACK) && echo found),,\
	    $(error libraries are missing: run `make deps-build`))

$(BUILD)/obj/%.o: %.c | libraries
	@mkdir -p $(@D)
	$(if $(V),,@echo "  cc    $<")
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(LIBCLIENT): $(call objs,$(CLIENT_SRC))
$(LIBRAFT_): $(call objs,$(RAFT_SRC))
$(LIBNODE): $(call objs,$(NODE_SRC))
$(LIBSUPPORT): $(call objs,$(TEST_SUPPORT_SRC))
$(LIBCLIENT) $(LIBRAFT_) $(LIBNODE) $(LIBSUPPORT):
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/orderschedd: $(call objs,node/main.c) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
# docs/openapi.yaml as JSON, which is in the daemon.
$(BUILD)/yaml_json: $(call objs,packaging/yaml_json.c)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/openapi.json: docs/openapi.yaml $(BUILD)/yaml_json
	$(Q)$(BUILD)/yaml_json $< $@
$(BUILD)/obj/node/resource/resource_openapi.o: $(BUILD)/openapi.json
$(BUILD)/obj/node/resource/resource_openapi.o: ALL_CFLAGS += -DOPENAPI_JSON='"$(BUILD)/openapi.json"'
$(BUILD)/obj/node/resource/resource_console.o: $(wildcard node/console/*)
$(BUILD)/orderctl: $(call objs,$(CTL_SRC)) $(LIBCLIENT)
$(BUILD)/orderbench: $(call objs,$(BENCH_SRC)) $(LIBCLIENT)
$(BUILD)/ordersink: $(call objs,$(SINK_SRC)) $(LIBCLIENT)
$(addprefix $(BUILD)/,orderctl orderbench ordersink):
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)

# The client library, shared and static: only what is marked ORDERSCHED_API can be seen from
# outside; in the static one by merging the objects and hiding the rest.
$(LIBRARY).so: $(call objs,$(LIBRARY_SRC)) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,$(SONAME) $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
	    -Wl,--as-needed -o $@.$(VERSION) $^ $(PKG_LIBS)
	$(Q)ln -sf $(@F).$(VERSION) $(@D)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@
$(LIBRARY).a: $(call objs,$(LIBRARY_SRC)) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)ld -r -o $(BUILD)/obj/ordersched.o $^
	$(Q)objcopy --localize-hidden $(BUILD)/obj/ordersched.o
	@rm -f $@
	$(Q)ar rcs $@ $(BUILD)/obj/ordersched.o

fill_pc = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g' packaging/ordersched.pc.in
$(BUILD)/ordersched.pc: packaging/ordersched.pc.in Makefile
	@mkdir -p $(@D)
	$(Q)$(fill_pc) >$@

# Each test with what it needs beside the archives, of which the linker takes what is used. The bed's
# own test drives it without the harness, and knows nothing of the daemon.
define test_program
$(BUILD)/$(basename $(notdir $(1))): $(call objs,$(1))
endef
$(foreach test,$(TEST_SRC),$(eval $(call test_program,$(test))))
$(addprefix $(BUILD)/,test_jepsen_histories test_jepsen_linear): \
    $(call objs,$(filter-out %/jepsen-check.c,$(JEPSEN_JUDGE_SRC)))
$(BUILD)/test_sim_io: $(call objs,$(addprefix tests/sim/,io.c io_disk.c storage.c loop.c))
# The replica that these tests play comes before the archive, and so takes the real one's place.
$(filter $(BUILD)/test_scheduler_%,$(TEST_PROGRAMS)): $(call objs,$(call in_folders,tests/support/scheduler))
$(BUILD)/test_jepsen_http: $(call objs,jepsen/bed/command.c $(addprefix jepsen/ask/,http.c http_answer.c))
$(BUILD)/it_jepsen_bed: $(call objs,$(addprefix jepsen/bed/,command.c disk.c network.c))
$(BUILD)/test_peer_work: $(PEER_WORK)
$(TEST_PROGRAMS): $(LIBSUPPORT) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS) -lcmocka
# A fuzz target with libFuzzer, which brings a main, or with the one that runs inputs from files.
FUZZ_MAIN := $(call objs,tests/fuzz/input.c $(if $(FUZZ),,tests/fuzz/replay.c))
define fuzz_program
$(BUILD)/$(basename $(notdir $(1))): $(call objs,$(1))
endef
$(foreach target,$(FUZZ_SRC),$(eval $(call fuzz_program,$(target))))
$(BUILD)/fuzz_orderctl: $(call objs,$(filter-out client/ctl/orderctl.c,$(CTL_SRC)))
$(BUILD)/fuzz_webhook: $(call objs,$(addprefix client/sink/,options.c request.c state.c verdict.c))
$(FUZZ_PROGRAMS): $(FUZZ_MAIN) $(LIBSUPPORT) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
	    $(PKG_LIBS) -lcmocka
# The judge of the histories that jepsen/ records.
$(BUILD)/obj/jepsen/judge_timeline.o: jepsen/judge/timeline.html
$(BUILD)/jepsen-check: $(call objs,$(JEPSEN_JUDGE_SRC)) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/ordersim: $(call objs,$(SIM_SRC)) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
# What has a deliberate bug in it comes before the archives, and so takes its twin's place there.
mutant_objs = $(patsubst %.c,$(BUILD)/obj/mutant/%.o,$(1))
$(BUILD)/obj/mutant/%.o: %.c | libraries
	@mkdir -p $(@D)
	$(if $(V),,@echo "  cc    $< (mutants)")
	$(Q)$(CC) $(ALL_CFLAGS) -DORDERSCHEDD_MUTANTS -c -o $@ $<
$(BUILD)/ordersim-mutants: $(call mutant_objs,$(MUTANT_SRC)) \
    $(call objs,$(filter-out $(MUTANT_SRC),$(SIM_SRC))) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
# The daemon with the bugs, of which ORDERSCHEDD_MUTANT chooses one.
$(BUILD)/orderschedd-mutants: $(call objs,node/main.c) \
    $(call mutant_objs,$(filter raft/% node/%,$(MUTANT_SRC)) jepsen/mutants.c) $(LIBNODE) \
    $(LIBRAFT_) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/jepsen: $(call objs,$(JEPSEN_RUN_SRC)) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/jepsen-forwarder: $(call objs,jepsen/bed/forwarder.c) $(LIBCLIENT)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
# Preloaded into programs built with a sanitizer too, so without it.
$(BUILD)/%.so: tests/preload/%.c | libraries
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(filter-out $(SANFLAGS),$(ALL_CFLAGS)) -MF $(BUILD)/obj/$*.d -shared -o $@ $< -ldl

# The clients of other systems: a file each, and what they have in common.
PEER_CFLAGS = -isystem $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
has_header = $(if $(wildcard $(addsuffix /$(1),/usr/include /usr/include/* /usr/local/include)),$(2))
# The tests have use for what needs no library of another system.
tests: $(BUILD)/peers/table $(BUILD)/peers/peer_beanstalkd
PEER_CLIENTS := beanstalkd $(call has_header,hiredis/hiredis.h,redis) \
    $(call has_header,amqp.h,rabbitmq) $(call has_header,libpq-fe.h,postgresql) \
    $(call has_header,curl/curl.h,etcd)
.PHONY: peers
peers: $(addprefix $(BUILD)/peers/,table $(addprefix peer_,$(PEER_CLIENTS)))
$(BUILD)/obj/$(PEERS_DIR)/%.o: ALL_CFLAGS += $(PEER_CFLAGS)
$(BUILD)/peers/peer_%: $(BUILD)/obj/$(PEERS_DIR)/peer_%.o $(PEER_COMMON) $(LIBCLIENT)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS) $(PEER_LIBS)
$(BUILD)/peers/peer_redis: PEER_LIBS = -lhiredis
$(BUILD)/peers/peer_rabbitmq: PEER_LIBS = -lrabbitmq
$(BUILD)/peers/peer_postgresql: PEER_LIBS = -lpq
$(BUILD)/peers/peer_etcd: $(call objs,$(PEERS_DIR)/grpc.c)
$(BUILD)/peers/table: $(call objs,$(PEERS_DIR)/table.c) $(LIBCLIENT)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link  $@")
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)

# Modes are given: a umask of 077 would leave files that nobody else can read. Paths may hold spaces.
THERE = $(DESTDIR)$(PREFIX)
.PHONY: install
install: all
	install -d -m 755 '$(THERE)' $(patsubst %,'$(THERE)/%',bin include lib lib/pkgconfig \
	    lib/systemd lib/systemd/system share share/doc share/doc/orderschedd)
	install -m 755 $(PROGRAMS) '$(THERE)/bin'
	install -m 644 client/ordersched.h '$(THERE)/include'
	install -m 644 $(LIBRARY).a '$(THERE)/lib'
	install -m 755 $(LIBRARY).so.$(VERSION) '$(THERE)/lib'
	ln -sf libordersched.so.$(VERSION) '$(THERE)/lib/$(SONAME)'
	ln -sf $(SONAME) '$(THERE)/lib/libordersched.so'
	$(fill_pc) | install -m 644 /dev/stdin '$(THERE)/lib/pkgconfig/ordersched.pc'
	sed 's|/usr/local/|$(PREFIX)/|g' packaging/orderschedd.service | \
	    install -m 644 /dev/stdin '$(THERE)/lib/systemd/system/orderschedd.service'
	install -m 644 packaging/orderschedd.example.yaml LICENSE '$(THERE)/share/doc/orderschedd'
	@[ -n '$(DESTDIR)' ] || [ "$$(id -u)" -ne 0 ] || PATH=$$PATH:/usr/sbin:/sbin ldconfig

.PHONY: uninstall
uninstall:
	rm -f $(patsubst %,'$(THERE)/%',$(addprefix bin/,$(notdir $(PROGRAMS))) include/ordersched.h \
	    $(addprefix lib/,libordersched.a libordersched.so.$(VERSION) $(SONAME) libordersched.so) \
	    lib/pkgconfig/ordersched.pc lib/systemd/system/orderschedd.service \
	    share/doc/orderschedd/orderschedd.example.yaml share/doc/orderschedd/LICENSE)
	@rmdir '$(THERE)/share/doc/orderschedd' 2>/dev/null || true
	@[ -n '$(DESTDIR)' ] || [ "$$(id -u)" -ne 0 ] || PATH=$$PATH:/usr/sbin:/sbin ldconfig

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
