# SPDX-License-Identifier: GPL-2.0-or-later
#
# The build of xenmsg.  `make help` lists the targets.  Everything that is made lands in
# $(BUILD)/$(VARIANT); a new source file needs no change here, as modules are found by wildcard:
#
#   common/           libcommon.a    small shared helpers
#   frontend/core/    libcore.a      the OS-free engine (freestanding: a kernel compiles it too)
#   frontend/map/     \
#   frontend/user/    |
#   frontend/lib/     | libxenmsg.so.0 and libxenmsg.a, with the core inside
#   frontend/lib/*/   /
#   frontend/cli/     xenmsg
#   backend/ backend/guest/  libbackend.a
#   broker/           libbroker.a, and the programs xenmsgd and xenmsgctl
#   tests/sim/        libsim.a       a simulated Xen: defines the real libraries' symbols
#   tests/unit/       test-*.c: one program each, over libsim.a; other files go into every one
#   tests/profile/    programs whose instructions are counted, linked as unit tests are
#   tests/fuzz/       fuzz-*.c: one libFuzzer program each
#   tests/xen/ tests/bench/  programs of the payload for the real Xen; lib-*.c go into every one

VERSION  := 0.1.0
BUILD    ?= build
# release, asan (ASan+UBSan), cov (gcov) or fuzz (clang, libFuzzer)
VARIANT  ?= release
# Where `make check` runs, and which of the tests: `make check T=ring` takes names with "ring".
CHECK_VARIANTS ?= release asan
T        ?=
# Seconds that one unit test program may take, and that each fuzzer gets.
UNIT_TIMEOUT ?= 1200
FUZZ_TIME    ?= 60
# Least branch coverage in percent: group=limit=paths (several joined by commas).
COVERAGE_LIMITS ?= \
	backend/guest=95=backend/guest/* \
	frontend/core=95=frontend/core/* \
	broker/queue=85=broker/queue*.c \
	broker/mover=85=broker/mover*.c \
	broker/route=85=broker/route*.c

DESTDIR    ?=
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DOCDIR     ?= $(PREFIX)/share/doc/xenmsg

ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
PKG_CONFIG ?= pkg-config
PYTHON     ?= python3
V          ?=
Q          := $(if $(V),,@)
say         = $(if $(V),,@printf '  %-5s %s\n' '$1' '$2')

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# All processors, unless the caller says otherwise.  Output is kept together per target, except
# for the goals that show their progress while they run: they build in a make of their own, and
# take turns.
LIVE_GOALS := check check-asan check-xen demo bench bench-check xen-shell xen-smoke coverage \
	fuzz profile lint
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc) --no-print-directory
ifeq ($(filter $(LIVE_GOALS),$(MAKECMDGOALS)),)
MAKEFLAGS += -Otarget
else
.NOTPARALLEL:
endif
endif
SUBMAKE = +$(Q)$(MAKE) --no-print-directory -Otarget

# --- Flags ---------------------------------------------------------------------------------------

B := $(BUILD)/$(VARIANT)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wmissing-declarations -Wold-style-definition -Wvla -Wpointer-arith -Wcast-qual \
	-Wwrite-strings -Wformat=2 -Wundef -Wimplicit-fallthrough -Wno-unused-parameter
# Ring memory is seen through more than one type, hence no strict aliasing (as in the kernel).
# The newest Xen interface gives ring.h its own barrier names, for every file alike.
BASE_CPPFLAGS := -I. -Iinclude -D_GNU_SOURCE -DXENMSG_VERSION='"$(VERSION)"' \
	-D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__
BASE_CFLAGS := -std=gnu11 -g -fno-strict-aliasing -fno-common -fPIC $(WARNINGS)
BASE_LDFLAGS := -Wl,--as-needed -Wl,-z,relro,-z,now

VARIANT_CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
VARIANT_CFLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
VARIANT_LDFLAGS_asan := -fsanitize=address,undefined
VARIANT_CFLAGS_cov := -O0 --coverage
VARIANT_LDFLAGS_cov := --coverage
VARIANT_CFLAGS_fuzz := -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=fuzzer-no-link,address,undefined
VARIANT_LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
ifeq ($(origin VARIANT_CFLAGS_$(VARIANT)),undefined)
$(error VARIANT is release, asan, cov or fuzz, not '$(VARIANT)')
endif

# CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS stay the caller's.  MODULE_CFLAGS is set per folder below.
ALL_CFLAGS = $(BASE_CPPFLAGS) $(BASE_CFLAGS) $(VARIANT_CFLAGS_$(VARIANT)) $(MODULE_CFLAGS) \
	$(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(BASE_LDFLAGS) $(VARIANT_LDFLAGS_$(VARIANT)) $(LDFLAGS)

# Asked once, and only by a make that links something: a fresh machine has no pkg-config yet.
pkg = $(if $(PKG_$1),,$(eval PKG_$1 := $$(shell $(PKG_CONFIG) --libs $2)))$(or $(PKG_$1),$(error \
	$2: not all known to $(PKG_CONFIG); `make deps` installs what the build needs))
XEN_LIBS    = $(call pkg,xen,xengnttab xenevtchn xenstore xencontrol)
DAEMON_LIBS = $(call pkg,daemon,libsystemd inih)
CHECK_LIBS  = $(call pkg,check,check)
CLI_LIBS    = $(call pkg,cli,nettle)

# --- Modules -------------------------------------------------------------------------------------

# The harness of the real Xen names its own sources in XEN_HARNESS_SRC and builds them itself.
XEN_HARNESS_SRC := $(wildcard tests/xen/agent.c tests/xen/exec.c tests/xen/hub.c)
-include tests/xen/rules.mk tests/bench/rules.mk

PROGRAM_MAINS := broker/xenmsgd.c broker/xenmsgctl.c $(wildcard broker/ctl-*.c)

SRC_common   := $(wildcard common/*.c)
SRC_core     := $(wildcard frontend/core/*.c)
SRC_frontend := $(wildcard frontend/map/*.c frontend/user/*.c frontend/lib/*.c \
	frontend/lib/*/*.c)
SRC_cli      := $(wildcard frontend/cli/*.c)
SRC_backend  := $(wildcard backend/*.c backend/guest/*.c)
SRC_broker   := $(filter-out $(PROGRAM_MAINS),$(wildcard broker/*.c))
SRC_xenmsgd  := $(wildcard broker/xenmsgd.c)
SRC_xenmsgctl := $(if $(wildcard broker/xenmsgctl.c),broker/xenmsgctl.c $(wildcard broker/ctl-*.c))
SRC_sim      := $(wildcard tests/sim/*.c)
SRC_unit     := $(wildcard tests/unit/*.c)
SRC_tests    := $(filter tests/unit/test-%.c,$(SRC_unit))
SRC_unitlib  := $(filter-out $(SRC_tests),$(SRC_unit))
SRC_profile  := $(wildcard tests/profile/*.c)
SRC_fuzz     := $(wildcard tests/fuzz/fuzz-*.c)
SRC_payload_all := $(filter-out $(XEN_HARNESS_SRC),$(wildcard tests/xen/*.c tests/bench/*.c))
SRC_payloadlib  := $(filter tests/xen/lib-%.c tests/bench/lib-%.c,$(SRC_payload_all))
SRC_payload     := $(filter-out $(SRC_payloadlib),$(SRC_payload_all))

PRODUCT_SRC := $(SRC_common) $(SRC_core) $(SRC_frontend) $(SRC_cli) $(SRC_backend) $(SRC_broker) \
	$(SRC_xenmsgd) $(SRC_xenmsgctl)
ALL_SRC := $(PRODUCT_SRC) $(SRC_sim) $(SRC_unit) $(SRC_profile) $(SRC_fuzz) $(SRC_payload_all)

objs = $(patsubst %.c,$(B)/obj/%.o,$(SRC_$1))
ARCHIVES := common core frontend backend broker sim unitlib payloadlib
archive_paths = $(patsubst %,$(B)/lib/internal/lib%.a,$1)

LIBXENMSG := $(if $(wildcard frontend/lib/*.c),$(B)/lib/libxenmsg.so.0 $(B)/lib/libxenmsg.a)
PROGRAMS := $(if $(SRC_cli),$(B)/bin/xenmsg) $(if $(SRC_xenmsgd),$(B)/bin/xenmsgd) \
	$(if $(SRC_xenmsgctl),$(B)/bin/xenmsgctl)
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(SRC_tests))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(B)/tests/%)
# The plugin is QEMU's; tests/bench/rules.mk builds it.
PROFILE_PROGRAMS := $(patsubst tests/profile/%.c,$(B)/profile/%,$(filter-out %-plugin.c,$(SRC_profile)))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(SRC_fuzz))
PAYLOAD_PROGRAMS := $(patsubst %.c,$(B)/payload/%,$(notdir $(SRC_payload)))

$(B)/obj/frontend/core/%.o: MODULE_CFLAGS = -ffreestanding \
	$(if $(filter release,$(VARIANT)),-Wframe-larger-than=1024)

# --- Rules ---------------------------------------------------------------------------------------

.PHONY: all
all: $(LIBXENMSG) $(PROGRAMS) ## build library and programs (VARIANT=release|asan|cov)
	@:

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# An archive is made anew when its list of members changes, so that no deleted file lives on.
define archive_rule
$(B)/lib/internal/lib$1.a: $(call objs,$1) $(B)/lib/internal/$1.list
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	@rm -f $$@
	$(Q)$(AR) rcsD $$@ $$(filter %.o,$$^)
$(B)/lib/internal/$1.list: force
	@mkdir -p $$(@D)
	@echo '$(SRC_$1)' | cmp -s - $$@ || echo '$(SRC_$1)' >$$@
endef
$(foreach a,$(ARCHIVES),$(eval $(call archive_rule,$a)))
.PHONY: force
force:

# The linker's group lets modules refer to each other; the direction is checked by `make lint`.
group = -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

$(B)/lib/libxenmsg.so.0: $(call archive_paths,frontend core common) frontend/lib/libxenmsg.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libxenmsg.so.0 \
		$(if $(VARIANT_LDFLAGS_$(VARIANT)),,-Wl,-z,defs) \
		-Wl,--version-script=frontend/lib/libxenmsg.map -o $@ \
		-Wl,--whole-archive $(B)/lib/internal/libfrontend.a -Wl,--no-whole-archive \
		-Wl,--start-group $(call archive_paths,core common) -Wl,--end-group \
		$(XEN_LIBS) $(LDLIBS)
	@ln -sf libxenmsg.so.0 $(@D)/libxenmsg.so

# One relocatable object in which only the public names are global.
$(B)/lib/libxenmsg.a: $(call archive_paths,frontend core common)
	$(call say,AR,$@)
	$(Q)ld -r -o $(@D)/libxenmsg.o --whole-archive $(B)/lib/internal/libfrontend.a \
		--no-whole-archive --start-group $(call archive_paths,core common) --end-group
	$(Q)objcopy -w --keep-global-symbol='xenmsg_*' $(@D)/libxenmsg.o
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(@D)/libxenmsg.o
	@rm -f $(@D)/libxenmsg.o

link = $(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)
# Programs find the library beside them: in the build, in the payload and once installed.
NEAR = -Wl,-rpath,'$$ORIGIN/../lib'

$(B)/bin/xenmsg: $(call objs,cli) $(B)/lib/internal/libcommon.a $(B)/lib/libxenmsg.so.0
	$(call say,LD,$@)
	$(link) $(B)/lib/libxenmsg.so.0 $(NEAR) $(group) $(CLI_LIBS) $(LDLIBS)

$(B)/bin/xenmsgd: $(call objs,xenmsgd) $(call archive_paths,broker backend common)
	$(call say,LD,$@)
	$(link) $(group) $(XEN_LIBS) $(DAEMON_LIBS) $(LDLIBS)

$(B)/bin/xenmsgctl: $(call objs,xenmsgctl) $(call archive_paths,broker backend common)
	$(call say,LD,$@)
	$(link) $(group) $(XEN_LIBS) $(DAEMON_LIBS) $(LDLIBS)

# Unit tests never see the real Xen libraries: what libsim.a does not define does not link.
$(UNIT_PROGRAMS): $(B)/tests/%: $(B)/obj/tests/unit/%.o
$(PROFILE_PROGRAMS): $(B)/profile/%: $(B)/obj/tests/profile/%.o
$(UNIT_PROGRAMS) $(PROFILE_PROGRAMS): \
		$(call archive_paths,unitlib sim broker backend frontend core common)
	$(call say,LD,$@)
	$(link) $(group) $(CHECK_LIBS) $(DAEMON_LIBS) -lpthread $(LDLIBS)

$(FUZZ_PROGRAMS): $(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o \
		$(call archive_paths,sim broker backend frontend core common)
	$(call say,LD,$@)
	$(link) $(group) $(DAEMON_LIBS) -lpthread $(LDLIBS)

# The payload's programs use the library as an application does, and may reach the internals.
LIBS_herd = $(call pkg,foreignmemory,xenforeignmemory)
LIBS_bench = $(call pkg,vchan,xenvchan)
LIBS_relay = $(LIBS_bench)
define payload_rule
$(B)/payload/$(basename $(notdir $1)): $(patsubst %.c,$(B)/obj/%.o,$1) \
		$(call archive_paths,payloadlib frontend core common) \
		$(filter %.so.0,$(LIBXENMSG))
	$$(call say,LD,$$@)
	$$(link) $$(filter %.so.0,$$^) $$(NEAR) $$(group) $$(XEN_LIBS) $$(LIBS_$(basename $(notdir $1))) \
		-lpthread $$(LDLIBS)
endef
$(foreach s,$(SRC_payload),$(eval $(call payload_rule,$s)))

-include $(patsubst %.c,$(B)/obj/%.d,$(ALL_SRC))

# --- Tests ---------------------------------------------------------------------------------------

.PHONY: deps deps-check
deps: ## install every package that any target needs (Debian)
	@sh tests/deps.sh build test coverage lint profile fuzz xen

deps-check:
	@sh tests/deps.sh build test

.PHONY: unit-programs
unit-programs: $(UNIT_PROGRAMS)
	@:

# `make unit-asan` builds that variant's programs; both variants share one make's job slots.
.PHONY: unit-release unit-asan unit-cov
unit-release unit-asan unit-cov: unit-%:
	$(SUBMAKE) VARIANT=$* all unit-programs

run_unit = $(PYTHON) tests/run-unit.py --jobs $(shell nproc) --timeout $(UNIT_TIMEOUT) \
	--filter '$(T)' $(foreach v,$1,$(UNIT_TESTS:%=$v=$(BUILD)/$v/tests/%))

.PHONY: check
check: deps-check ## run the unit tests, plain and under ASan+UBSan (T=part of a name)
	@echo 'check: building the unit tests ($(CHECK_VARIANTS))'
	$(SUBMAKE) $(CHECK_VARIANTS:%=unit-%)
	@$(call run_unit,$(CHECK_VARIANTS))

.PHONY: check-asan
check-asan: ## run the unit tests under ASan+UBSan alone
	+@$(MAKE) --no-print-directory CHECK_VARIANTS=asan check

.PHONY: coverage
coverage: ## run the unit tests with gcov, print branch coverage, fail below the limits
	@sh tests/deps.sh build test coverage
	@echo 'coverage: building the unit tests'
	$(SUBMAKE) unit-cov
	@find $(BUILD)/cov -name '*.gcda' -delete
	@$(call run_unit,cov)
	@$(PYTHON) tests/coverage.py --objects $(BUILD)/cov/obj $(COVERAGE_LIMITS)

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ_PROGRAMS)
fuzz: ## run each fuzzer for FUZZ_TIME seconds (clang)
	@sh tests/deps.sh build fuzz
	$(SUBMAKE) VARIANT=fuzz fuzz-programs
	@sh tests/run-fuzz.sh $(BUILD)/fuzz $(FUZZ_TIME) $(patsubst tests/fuzz/%.c,%,$(SRC_fuzz))

# N messages of LEN bytes, at most WINDOW under way in each of FLOWS flows; POOLS=no: by grant copy;
# IDLE guests more that do nothing. TOP functions are shown.
N      ?= 20000
LEN    ?= 64
WINDOW ?= 256
FLOWS  ?= 1
POOLS  ?= yes
IDLE   ?= 0
TOP    ?= 60
.PHONY: profile profile-programs
profile-programs: $(PROFILE_PROGRAMS)
profile: ## count instructions per message (N= LEN= WINDOW= FLOWS= POOLS=yes|no IDLE= TOP=)
	@sh tests/deps.sh build test profile
	$(SUBMAKE) VARIANT=release profile-programs
	@$(PYTHON) tests/profile/profile.py --messages $(N) --top $(TOP) $(BUILD)/release/profile/stream \
		$(LEN) $(WINDOW) $(FLOWS) $(POOLS) $(IDLE)

# The targets check-xen, demo and xen-shell are in tests/xen/rules.mk.
PAYLOAD := $(BUILD)/xen/payload
.PHONY: xen-payload xen-payload-stage
xen-payload: ## build and stage what runs inside the real Xen ($(BUILD)/xen/payload)
	$(SUBMAKE) VARIANT=release xen-payload-stage

# Copied with their times, so that an unchanged payload can be told from a changed one.
xen-payload-stage: all $(PAYLOAD_PROGRAMS)
	@rm -rf $(PAYLOAD) && mkdir -p $(PAYLOAD)/bin $(PAYLOAD)/lib $(PAYLOAD)/scenarios
	@set -- $(PROGRAMS) $(PAYLOAD_PROGRAMS); [ $$# -eq 0 ] || cp -p "$$@" $(PAYLOAD)/bin/
	@set -- $(filter %.so.0,$(LIBXENMSG)); [ $$# -eq 0 ] || cp -p "$$@" $(PAYLOAD)/lib/
	@set -- $(wildcard tests/xen/scenarios/*.sh); \
		[ $$# -eq 0 ] || cp -p "$$@" $(PAYLOAD)/scenarios/
	@set -- $(wildcard tests/xen/lib.sh); [ $$# -eq 0 ] || cp -p "$$@" $(PAYLOAD)/
	@nm -n --defined-only $(B)/bin/xenmsgd | grep -i ' t ' >$(PAYLOAD)/bin/xenmsgd.symbols
	@$(SUBMAKE) VARIANT=release DESTDIR=$(PAYLOAD)/root PREFIX=/usr install >/dev/null
	@echo 'xen-payload: staged in $(PAYLOAD)'

# --- Kernel module -------------------------------------------------------------------------------

# Kbuild builds where the sources are, so they go to $(BUILD)/module/RELEASE first: the engine's
# files are those that library and unit tests are made of.
KDIR ?= /lib/modules/$(shell uname -r)/build
MODULE_SRC := $(wildcard common/*.h frontend/core/*.[ch] frontend/linux/*.[ch] frontend/linux/Kbuild \
	include/xen/io/*.h include/uapi/linux/*.h)
# What `uname -r` says there.
kernel_release = $(or $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h),$(error $(KDIR): no kernel headers; say KDIR=...))

.PHONY: module
module: ## build the guest's kernel module xen-vmsgfront.ko (KDIR=folder of kernel headers)
	$(eval M := $(abspath $(BUILD))/module/$(kernel_release))
	@mkdir -p $M && cp -pu --parents $(MODULE_SRC) $M/
	+$(Q)$(MAKE) --no-print-directory -C $(KDIR) M=$M/frontend/linux W=1 KBUILD_MODPOST_WARN= \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
	@echo 'module: $(patsubst $(abspath .)/%,%,$M)/frontend/linux/xen-vmsgfront.ko'

# --- Lint ----------------------------------------------------------------------------------------

# Each part is a target of its own; files are checked again only when they or their headers change.
LINT := $(BUILD)/lint
LINT_PARTS := lint-format lint-dependencies lint-shell lint-headers lint-objects lint-cppcheck \
	lint-tidy lint-fuzz
C_FILES := $(sort $(ALL_SRC) $(XEN_HARNESS_SRC) $(wildcard include/*.h include/xen/io/*.h common/*.h \
	frontend/*/*.[ch] frontend/lib/*/*.[ch] backend/*.h backend/guest/*.h broker/*.h tests/*/*.h))
HEADERS := $(filter-out frontend/linux/%,$(filter %.h,$(C_FILES)))
TIDY_SRC := $(sort $(ALL_SRC) $(XEN_HARNESS_SRC))
TIDY_FLAGS = $(BASE_CPPFLAGS) -std=gnu11 -Wall -Wextra -Wshadow -Wno-unused-parameter
SCRIPTS = $(sort $(wildcard .ci/run tests/*.sh tests/*/*.sh tests/*/*/*.sh packaging/*.sh))

.PHONY: lint lint-all $(LINT_PARTS)
lint: ## check format, layers, licences, scripts, and run clang-tidy and cppcheck
	@sh tests/deps.sh build test lint fuzz
	@echo 'lint: checking $(words $(C_FILES)) C files and $(words $(SCRIPTS)) scripts'
	+@if $(MAKE) --no-print-directory -k -Otarget VARIANT=release lint-all; \
		then echo 'lint: clean'; else echo 'lint: FAILED'; exit 1; fi
lint-all: $(LINT_PARTS)

lint-format:
	$(call say,LINT,clang-format)
	$(Q)clang-format --dry-run --Werror $(C_FILES)

lint-dependencies:
	$(call say,LINT,layers licences sizes)
	$(Q)$(PYTHON) tests/lint/dependencies.py

lint-shell:
	$(call say,LINT,shellcheck)
	$(Q)shellcheck -x $(SCRIPTS)

# What is compiled holds no global state, and the core needs nothing from outside.
lint-objects: $(call archive_paths,common core frontend backend broker)
	$(call say,LINT,objects)
	$(Q)$(PYTHON) tests/lint/objects.py $(call archive_paths,common frontend backend broker)
	$(Q)$(PYTHON) tests/lint/objects.py --freestanding $(call archive_paths,core)

# Every header can be included first.
lint-headers: $(HEADERS:%=$(LINT)/headers/%.ok)
$(LINT)/headers/%.ok: % Makefile
	@mkdir -p $(@D)
	$(call say,HEAD,$<)
	$(Q)$(CC) $(BASE_CPPFLAGS) $(BASE_CFLAGS) -Wno-unused-function -fsyntax-only -include $< \
		-MMD -MP -MT $@ -MF $(@:.ok=.d) -x c /dev/null
	@touch $@

lint-cppcheck:
	$(call say,LINT,cppcheck)
	@mkdir -p $(LINT)/cppcheck
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr -j $(shell nproc) --std=c11 \
		--enable=warning,performance,portability --cppcheck-build-dir=$(LINT)/cppcheck \
		--suppress=missingIncludeSystem '--suppress=uninitvar:tests/*' $(BASE_CPPFLAGS) -D__x86_64__ \
		'-DSTART_TEST(name)=static void name(int _i)' -DEND_TEST= $(TIDY_SRC)

# The fuzzer is the one program that clang compiles, with its own warnings.
lint-fuzz:
	$(call say,LINT,fuzz)
	+$(Q)$(MAKE) --no-print-directory VARIANT=fuzz fuzz-programs

lint-tidy: $(TIDY_SRC:%.c=$(LINT)/tidy/%.ok)
$(LINT)/tidy/%.ok: %.c .clang-tidy tests/.clang-tidy tests/lint/tidy.py
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)$(PYTHON) tests/lint/tidy.py $< -- $(TIDY_FLAGS)
	@$(CC) $(TIDY_FLAGS) -MM -MP -MT $@ -MF $(@:.ok=.d) $<
	@touch $@

-include $(HEADERS:%=$(LINT)/headers/%.d) $(TIDY_SRC:%.c=$(LINT)/tidy/%.d)

.PHONY: format
format: ## rewrite the C files in the project's style
	clang-format -i $(C_FILES)

# --- Install -------------------------------------------------------------------------------------

# Where systemd and udev look, whatever the prefix.
UNITDIR ?= /usr/lib/systemd/system
UDEVDIR ?= /usr/lib/udev/rules.d
SYSUSERSDIR ?= /usr/lib/sysusers.d

.PHONY: install
install: all ## install to DESTDIR and PREFIX (default /usr/local)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(INCLUDEDIR)/xen/io $(DESTDIR)$(DOCDIR)
	$(if $(wildcard include/xenmsg.h),install -m 644 include/xenmsg.h $(DESTDIR)$(INCLUDEDIR)/)
	$(if $(wildcard include/xen/io/*.h),install -m 644 include/xen/io/*.h \
		$(DESTDIR)$(INCLUDEDIR)/xen/io/)
	$(if $(LIBXENMSG),install -m 644 $(LIBXENMSG) $(DESTDIR)$(LIBDIR)/ && \
		ln -sf libxenmsg.so.0 $(DESTDIR)$(LIBDIR)/libxenmsg.so)
	$(if $(LIBXENMSG),printf '%s\n' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' \
		'Name: xenmsg' 'Description: Messages between Xen guests' 'Version: $(VERSION)' \
		'Requires.private: xengnttab xenevtchn xenstore' \
		'Libs: -L$${libdir} -lxenmsg' 'Cflags: -I$${includedir}' \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/xenmsg.pc)
	$(if $(SRC_cli),install $(B)/bin/xenmsg $(DESTDIR)$(BINDIR)/)
	$(if $(SRC_xenmsgd),install $(B)/bin/xenmsgd $(DESTDIR)$(SBINDIR)/)
	$(if $(SRC_xenmsgctl),install $(B)/bin/xenmsgctl $(DESTDIR)$(SBINDIR)/)
	install -d $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(UNITDIR) $(DESTDIR)$(UDEVDIR) \
		$(DESTDIR)$(SYSUSERSDIR)
	install -m 644 packaging/xenmsgd.conf $(DESTDIR)$(DOCDIR)/examples/
	sed 's|@SBINDIR@|$(SBINDIR)|' packaging/xenmsgd.service >$(DESTDIR)$(UNITDIR)/xenmsgd.service
	sed 's|@SBINDIR@|$(SBINDIR)|' packaging/xenmsg-metrics.service \
		>$(DESTDIR)$(UNITDIR)/xenmsg-metrics.service
	install -m 644 packaging/xenmsgd.socket packaging/xenmsgd-local.socket \
		packaging/xenmsg-metrics.timer $(DESTDIR)$(UNITDIR)/
	install -m 644 packaging/61-xenmsgd.rules $(DESTDIR)$(UDEVDIR)/
	install -m 644 packaging/xenmsg.sysusers $(DESTDIR)$(SYSUSERSDIR)/xenmsg.conf

.PHONY: install-dkms
install-dkms: ## install the kernel module's sources for DKMS, and the udev rule (DESTDIR)
	install -d $(DESTDIR)/usr/src/xen-vmsgfront-$(VERSION) $(DESTDIR)$(UDEVDIR) \
		$(DESTDIR)$(INCLUDEDIR)/linux
	cp -p --parents $(MODULE_SRC) $(DESTDIR)/usr/src/xen-vmsgfront-$(VERSION)/
	sed 's/@VERSION@/$(VERSION)/' packaging/dkms.conf \
		>$(DESTDIR)/usr/src/xen-vmsgfront-$(VERSION)/dkms.conf
	install -m 644 packaging/60-xenmsg.rules $(DESTDIR)$(UDEVDIR)/
	install -m 644 include/uapi/linux/xenmsg.h $(DESTDIR)$(INCLUDEDIR)/linux/

.PHONY: clean
clean: ## remove what was built, except the prepared machine in $(BUILD)/xen
	rm -rf $(BUILD)/release $(BUILD)/asan $(BUILD)/cov $(BUILD)/fuzz $(BUILD)/lint $(BUILD)/module

.PHONY: distclean
distclean: ## remove $(BUILD) altogether
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@echo 'xenmsg $(VERSION): make TARGET... [VARIANT=release|asan|cov] [V=1] [BUILD=folder]'
	@sed -n 's/^\([a-z-]*\):[^#=]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | \
		awk -F'\t' '{ printf "  %-12s %s\n", $$1, $$2 }'
