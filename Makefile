# orderschedd: one flat Makefile. `make help` lists the targets.
#
#   make demo     install what is missing, build, run three nodes, kill the leader, prove it
#   make check    install what is missing, build, run all tests
#   SAN=address|undefined|thread   build with a sanitizer, under build-$(SAN)/

SHELL := /bin/bash
SAN ?=
BUILD ?= build$(if $(SAN),-$(SAN))
VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=

CC ?= cc
PKGS := raft libuv libcurl libmicrohttpd jansson libcyaml libxxhash libsystemd openssl
MSGPACK := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) $(MSGPACK) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) $(MSGPACK) 2>/dev/null) -lnng -lpthread -lm

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT := -O2 -g
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CFLAGS ?=
ALL_CFLAGS = -std=gnu11 $(OPT) $(WARN) -fPIC -fvisibility=hidden -MMD -MP \
	-DORDERSCHEDD_VERSION='"$(VERSION)"' -D_GNU_SOURCE $(SANFLAGS) $(PKG_CFLAGS) $(CFLAGS)

# Programs have their main in a file of their own name; PROGRAM_*.c belong to that program only.
MAINS := node/main.c client/orderctl.c client/orderbench.c client/ordersink.c
PROGRAM_PARTS := $(wildcard client/orderctl_*.c client/orderbench_*.c client/ordersink_*.c)
CLIENT_SRC := $(filter-out $(MAINS) $(PROGRAM_PARTS),$(wildcard client/*.c))
RAFT_SRC := $(wildcard raft/*.c)
NODE_SRC := $(filter-out $(MAINS),$(wildcard node/*.c))
TEST_SRC := $(wildcard tests/test_*.c)
TEST_SUPPORT_SRC := $(wildcard tests/support/*.c)

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIBCLIENT := $(BUILD)/libordersched.a
LIBRAFT_ := $(BUILD)/obj/libosdraft.a
LIBNODE := $(BUILD)/obj/libosdnode.a
LIBSUPPORT := $(BUILD)/obj/libsupport.a
PROGRAMS := $(addprefix $(BUILD)/,orderschedd orderctl orderbench ordersink)
TESTS := $(patsubst tests/%.c,$(BUILD)/%,$(TEST_SRC))

.PHONY: all
all: $(PROGRAMS) $(BUILD)/libordersched.so $(BUILD)/ordersched.pc

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(LIBCLIENT): $(call objs,$(CLIENT_SRC))
$(LIBRAFT_): $(call objs,$(RAFT_SRC))
$(LIBNODE): $(call objs,$(NODE_SRC))
$(LIBSUPPORT): $(call objs,$(TEST_SUPPORT_SRC))
$(LIBCLIENT) $(LIBRAFT_) $(LIBNODE) $(LIBSUPPORT):
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/orderschedd: $(call objs,node/main.c) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/order%: $(BUILD)/obj/client/order%.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/orderctl: $(call objs,$(wildcard client/orderctl_*.c)) $(LIBCLIENT)
$(BUILD)/orderbench: $(call objs,$(wildcard client/orderbench_*.c)) $(LIBCLIENT)
$(BUILD)/ordersink: $(call objs,$(wildcard client/ordersink_*.c)) $(LIBCLIENT)

$(BUILD)/test_%: $(BUILD)/obj/tests/test_%.o $(LIBSUPPORT) $(LIBNODE) $(LIBRAFT_) $(LIBCLIENT)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
