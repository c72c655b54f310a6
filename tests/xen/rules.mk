# SPDX-License-Identifier: GPL-2.0-or-later
#
# The real-Xen tests; included by the top Makefile, which stages what is to
# run there (xen-payload).  tests/xen/README.md says how all this works.
#
#   make check-xen [S=NAME] [KERNEL=6.12|debug] [PARALLEL=1] [J=MACHINES]
#   make demo, make xen-shell, make xen-smoke (the harness without the project)

XEN_DIR := $(BUILD)/xen
XEN_PAYLOAD ?= $(XEN_DIR)/payload
# What `make check-xen` runs, unless the caller names some; S=all: every scenario but the demo, and
# those that guests with and without the kernel's driver are to pass in its variants, too.
XEN_EVERY := $(filter-out demo,$(patsubst tests/xen/scenarios/%.sh,%,$(wildcard tests/xen/scenarios/*.sh)))
XEN_VARIED := demo mixed no-pools destroy bad-input memory
XEN_SCENARIOS ?= smoke mixed no-pools destroy bad-input memory demo+kernel
XEN_ALL := $(XEN_EVERY) $(XEN_VARIED:%=%+kernel) $(XEN_VARIED:%=%+half)
S ?=
# Of dom0 and guests: the distribution's, or 6.12; debug: one with checks in the guests.
KERNEL ?=
PARALLEL ?=
J ?=

# Programs of the harness itself, so that it can be tested while the project
# does not even compile.
XEN_HARNESS_SRC := tests/xen/agent.c tests/xen/exec.c tests/xen/hub.c tests/xen/smoke.c \
	tests/xen/svm-plugin.c
XEN_TOOLS := $(addprefix $(XEN_DIR)/tools/,agent guest-exec hub smoke) $(XEN_DIR)/qemu/svm-plugin.so
XEN_TOOL_FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Wshadow

XEN_RUN = XEN_BUILD=$(abspath $(XEN_DIR)) XEN_KERNEL=$(KERNEL) $(or $(PYTHON),python3) tests/xen/run.py
XEN_OPTIONS = $(if $(PARALLEL),--parallel) $(if $(J),-j $(J)) --tools $(XEN_DIR)/tools

$(XEN_DIR)/tools/guest-exec: tests/xen/exec.c
$(XEN_DIR)/tools/agent: tests/xen/agent.c
$(XEN_DIR)/tools/hub: tests/xen/hub.c
$(XEN_DIR)/tools/smoke: tests/xen/smoke.c
$(XEN_DIR)/tools/smoke: XEN_TOOL_LIBS = -lxengnttab -lxenevtchn -lxenstore
$(XEN_DIR)/qemu/svm-plugin.so: tests/xen/svm-plugin.c
$(XEN_DIR)/qemu/svm-plugin.so: XEN_TOOL_LIBS = -shared -fPIC
$(XEN_TOOLS): tests/xen/frame.h tests/xen/client.h
	@mkdir -p $(@D)
	@$(or $(CC),gcc) $(XEN_TOOL_FLAGS) -o $@ $(filter %.c,$^) $(XEN_TOOL_LIBS)

# The packages first: the tools need a compiler and Xen's headers.  A make of
# its own, because that may change what this one has already looked up.
.PHONY: xen-ready
xen-ready:
	@sh tests/deps.sh build xen $(if $(filter debug,$(KERNEL)),debug-kernel)
	+@$(MAKE) -s --no-print-directory $(XEN_TOOLS)

# The guests' driver, for the kernels that they boot: one, but for KERNEL=debug.
.PHONY: xen-module
xen-module: xen-ready
	@[ "$(KERNEL)" = debug ] || sh tests/deps.sh "linux-headers-$$($(XEN_RUN) release)"
	+@folders=$$($(XEN_RUN) headers) && : >$(XEN_DIR)/module.log && for folder in $$folders; do \
		$(MAKE) --no-print-directory KDIR=$$folder module >>$(XEN_DIR)/module.log 2>&1 || \
			{ cat $(XEN_DIR)/module.log; exit 1; }; \
	done

XEN_STAGE_MODULES = releases=$$($(XEN_RUN) release) && for release in $$releases; do \
		mkdir -p $(XEN_PAYLOAD)/modules/$$release && \
		objcopy --strip-debug $(BUILD)/module/$$release/frontend/linux/xen-vmsgfront.ko \
			$(XEN_PAYLOAD)/modules/$$release/xen-vmsgfront.ko || exit; \
	done

.PHONY: check-xen
check-xen: xen-module ## run the scenarios on real Xen in QEMU (S=NAME: one; PARALLEL=1: real time)
	+@$(MAKE) --no-print-directory xen-payload
	@$(XEN_STAGE_MODULES)
	@$(XEN_RUN) check $(XEN_OPTIONS) --payload $(XEN_PAYLOAD) $(if $(filter all,$(S)),$(XEN_ALL),$(or $(S),$(XEN_SCENARIOS)))

.PHONY: demo
demo: xen-ready ## show messages crossing real Xen
	+@$(MAKE) --no-print-directory xen-payload
	@$(XEN_RUN) demo $(XEN_OPTIONS) --payload $(XEN_PAYLOAD) demo

.PHONY: xen-shell
xen-shell: xen-ready ## an interactive dom0 with the guests and the payload
	+@$(MAKE) --no-print-directory xen-payload
	@$(XEN_RUN) shell $(XEN_OPTIONS) --payload $(XEN_PAYLOAD)

.PHONY: xen-smoke
xen-smoke: xen-ready ## test the real-Xen harness alone, without the project
	@$(XEN_RUN) check $(XEN_OPTIONS) smoke
