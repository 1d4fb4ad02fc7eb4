# The extension, built by PGXS against the Postgres that PG_CONFIG names. core, provider and the sandbox are also built, with
# their unit tests and no Postgres in sight, by CMakeLists.txt; the thin targets at the end lead there.

PG_CONFIG ?= pg_config
version := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" trainer.control)

# The step that leads to this version; those before it are as they were released.
upgrade := $(wildcard src/sql/upgrade/trainer--*--$(version).sql)

EXTENSION  = trainer
MODULE_big = trainer
DATA_built = trainer--$(version).sql $(notdir $(upgrade))
DATA       = $(wildcard src/sql/released/*.sql) $(filter-out $(upgrade),$(wildcard src/sql/upgrade/*.sql))

# Files named test_* hold C functions that exist to be misused by regression tests; they are part of TRAINER_TEST builds only.
sources := src/trainer.cpp $(wildcard src/core/*.cpp src/core/*/*.cpp src/provider/*.cpp src/pg/*.cpp src/worker/*.cpp)
ifndef TRAINER_TEST
sources := $(filter-out $(wildcard src/*/test_*.cpp),$(sources))
endif
# A room is compiled as one file: three quarters of the time of a single one would go into headers, the same for all.
rooms := core provider pg worker
OBJS := src/trainer.o $(rooms:%=.deps/rooms/%.o)

# The tables of the tokenizer, for the byte order of this machine; the library maps them from where it is itself.
tokens := trainer_tokens.bin

# -isystem wins over the -I that PGXS adds for the same directory: warnings of Postgres' headers are not ours to mend.
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -DTRAINER_VERSION='"$(version)"'
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -Wshadow -Werror -Wno-register -fstack-protector-strong -D_GLIBCXX_ASSERTIONS
ifdef TRAINER_TEST
# The same code; of the types and variables, which took a sixth of the time to compile, only a debugger would know.
PG_CXXFLAGS += -DTRAINER_TEST -g1
endif
# trainer.map is the one list of what is exported. -fvisibility=hidden besides would need PGDLLEXPORT at every SQL function on
# servers below 16, whose headers do not declare it.
SHLIB_LINK = -lcurl -lstdc++ -Wl,--version-script=trainer.map -Wl,-z,relro,-z,now

REGRESS        = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
ISOLATION      = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
REGRESS_OPTS   = --load-extension=pg_trgm
ISOLATION_OPTS = --inputdir=test --load-extension=pg_trgm
TAP_TESTS      = 1
PROVE_TESTS   ?= test/t/*.pl
EXTRA_CLEAN    = .deps $(tokens) src/tools/*.o
export TRAINER_SANDBOX ?= $(CURDIR)/build/unit/trainer-sandbox

# No bitcode: it would double the build time to let the JIT inline functions of which none is worth inlining.
override with_llvm := no
# PGXS names dependency files by the source's last name alone, and core/ and pg/ may well hold two of the same: ours are below.
override autodepend := no

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error the server headers and PGXS of $(PG_CONFIG) are missing: script/bootstrap installs them, or set PG_CONFIG)
endif
include $(PGXS)

src/%.o: src/%.cpp .deps/flavor
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -MMD -MP -MF .deps/$(subst /,-,$*).d -c -o $@ $<

of_room = $(patsubst src/%,%,$(sort $(filter src/$1/%,$(sources))))
$(rooms:%=.deps/rooms/%.cpp): .deps/rooms/%.cpp: FORCE
	@mkdir -p $(@D)
	@printf '#include "%s"\n' $(call of_room,$*) | cmp -s - $@ || printf '#include "%s"\n' $(call of_room,$*) >$@
.deps/rooms/%.o: .deps/rooms/%.cpp .deps/flavor
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -MMD -MP -MF .deps/$*.d -c -o $@ $<

-include $(wildcard .deps/*.d)

# What was compiled in, and against which Postgres: when that changes everything is built again, so that builds do not mix.
flavor := Postgres $(VERSION) $(if $(TRAINER_TEST),with,without) test functions
.deps/flavor: FORCE
	@mkdir -p .deps
	@echo '$(flavor)' | cmp -s - $@ || echo '$(flavor)' >$@
trainer.so: trainer.map

all: $(tokens)
$(tokens): .deps/make-token-tables $(wildcard data/tokens/*.t*)
	$< data/tokens $@
.deps/make-token-tables: src/tools/make_token_tables_main.o src/tools/token_tables.o src/core/tokens/tables.o
	$(CXX) -o $@ $^
install: install-tokens
install-tokens: $(tokens) installdirs
	$(INSTALL_DATA) $(tokens) '$(DESTDIR)$(pkglibdir)/$(tokens)'
uninstall: uninstall-tokens
uninstall-tokens:
	rm -f '$(DESTDIR)$(pkglibdir)/$(tokens)'

# The installation script is its subjects in the order of their names; PGXS' clean removes it. `all` rebuilds it whenever
# the list or any part has changed.
sql_parts := $(sort $(wildcard src/sql/*.sql))
trainer--$(version).sql: $(sql_parts) trainer.control .deps/sql
	cat $(sql_parts) >$@
$(notdir $(upgrade)): $(upgrade) $(sql_parts) src/sql/functions.awk .deps/sql
	awk -f src/sql/functions.awk $(sql_parts) >.deps/functions.sql
	awk '/^-- include / { file = $$3; while ((getline line < file) > 0) print line; next } 1' $< | cat - src/sql/90_privileges.sql >$@
.deps/sql: FORCE
	@mkdir -p .deps
	@echo '$(sql_parts)' | cmp -s - $@ || echo '$(sql_parts)' >$@

.PHONY: FORCE help unit count-tokens test bench format lint dist install-tokens uninstall-tokens
FORCE:

help:
	@echo 'make             build the extension (PG_CONFIG=... chooses the Postgres; TRAINER_TEST=1 adds the test functions)'
	@echo 'make install     install it there'
	@echo 'make installcheck  pg_regress, isolation and TAP tests against what is installed'
	@echo 'make unit        build and run the unit tests of core, provider and the sandbox'
	@echo 'make count-tokens  build build/unit/count-tokens, which counts the tokens of the lines of a file'
	@echo 'make test        everything, as CI does (script/test)'
	@echo 'make bench       run the benchmarks'
	@echo 'make format      format the C++ sources'
	@echo 'make lint        clang-tidy over core and provider'
	@echo 'make dist        trainer-$(version).zip for PGXN, of what is committed'
	@echo 'make clean       remove what make built here'

build/unit/CMakeCache.txt: CMakeLists.txt
	cmake -S . -B build/unit

unit: build/unit/CMakeCache.txt
	cmake --build build/unit --parallel
	ctest --test-dir build/unit --output-on-failure

count-tokens: build/unit/CMakeCache.txt
	cmake --build build/unit --target count-tokens

test:
	script/test

bench:
	bench/run

format:
	clang-format -i $(shell find src test bench -name '*.cpp' -o -name '*.h')

lint: build/unit/CMakeCache.txt
	cmake -S . -B build/unit -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >build/unit/configure.log
	clang-tidy --quiet -p build/unit $(wildcard src/core/*.cpp src/core/*/*.cpp src/provider/*.cpp)

dist:
	git archive --format=zip --prefix=trainer-$(version)/ -o trainer-$(version).zip HEAD
