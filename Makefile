# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Entry points. The Swift toolchain must be there already; `make prerequisites` installs everything else.

# Where `make install` puts files. Set `prefix` (or PREFIX), or any of the directories below it.
PREFIX ?= /usr/local
prefix = $(PREFIX)
exec_prefix = $(prefix)
bindir = $(exec_prefix)/bin
sbindir = $(exec_prefix)/sbin
# nbdd reads /etc/nbdd unless its unit passes --config.
sysconfdir = /etc
unitdir = $(prefix)/lib/systemd/system
udevrulesdir = $(prefix)/lib/udev/rules.d
generatordir = $(prefix)/lib/systemd/system-generators
catalogdir = $(prefix)/lib/systemd/catalog
sysusersdir = $(prefix)/lib/sysusers.d
datarootdir = $(prefix)/share
datadir = $(datarootdir)
mandir = $(datarootdir)/man
docdir = $(datarootdir)/doc/nbdd
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
DESTDIR ?=
# Empty: nothing is stripped, so that packages can keep the debugging symbols. STRIP=strip strips the installed programs.
STRIP ?=

BINARIES ?= .build/release
UNITS = nbdd.service nbdd.socket nbdd-keeper.service nbdd-keeper.socket nbdd-devices.target \
  nbdd-metrics.socket nbdd-metrics@.service nbdd-order@.target nbdd-shutdown.service
SECONDS ?= 60
HOURS ?= 2
PRODUCT ?=

# No Swift library at run time, none searched for beside the program (no RUNPATH), and all symbols bound at the start.
# Tests/check looks at the result.
SWIFT_FLAGS = -c release --static-swift-stdlib --disable-local-rpath -Xlinker -z -Xlinker now

.PHONY: help build demo test lint check bench soak fuzz deb install uninstall format prerequisites

help:
	@echo 'make build           nbdd, nbdd-keeper and nbdctl in $(BINARIES), each one file that can be copied'
	@echo 'make demo            shows nbdd at work on a real kernel; does not touch this machine'
	@echo 'make test            unit tests'
	@echo 'make lint            format, syntax of scripts, imports, and rows of the protocol; builds nothing'
	@echo 'make check           everything that must pass'
	@echo 'make bench           cost of the relay, as ratios to its peers'
	@echo 'make soak            hundreds of outages, crashes and restarts under verified load, then HOURS=$(HOURS) of random histories'
	@echo 'make fuzz            hostile input for every parser, SECONDS=$(SECONDS) for each'
	@echo 'make deb             a Debian package for this distribution, in .build/deb'
	@echo 'make install         as root, after make build; PREFIX=$(PREFIX), DESTDIR=, STRIP=strip, and the usual directories'
	@echo 'make uninstall       as root; removes what make install installed, keeps the configuration'
	@echo 'make format          formats the Swift files'
	@echo 'make prerequisites   installs the packages that these need'

build:
	swift build $(SWIFT_FLAGS) $(if $(PRODUCT),--product '$(PRODUCT)')

demo: prerequisites build
	Tests/Machine/on-kernel --timeout 300 -- Tests/Machine/demo.sh

test:
	swift test --skip LoopbackTests

lint:
	Tests/check format scripts imports traces

check: prerequisites
	Tests/check

bench: prerequisites build
	NBDD_BENCHMARKS=1 $(MAKE) build PRODUCT=relay-bench
	Benchmarks/run
	Benchmarks/devices.sh

soak: prerequisites build
	NBD_SOAK=1 Tests/Machine/run kills crash restart cache steady force sparse faults
	Tests/History/run --seconds $$(($(HOURS) * 3600))
	Tests/History/run --threads --seconds $$(($(HOURS) * 600))

fuzz:
	Tests/Fuzz/run --seconds $(SECONDS)

deb: build
	packaging/deb

# Installs what has been built and builds nothing, so that root compiles nothing.
install:
	@test -x '$(BINARIES)/nbdd' || { echo 'not built yet: make build'; exit 1; }
	install -D -m 755 '$(BINARIES)/nbdd' '$(DESTDIR)$(sbindir)/nbdd'
	install -D -m 755 '$(BINARIES)/nbdd-keeper' '$(DESTDIR)$(sbindir)/nbdd-keeper'
	install -D -m 755 '$(BINARIES)/nbdctl' '$(DESTDIR)$(bindir)/nbdctl'
	[ -z '$(STRIP)' ] || \
	  $(STRIP) '$(DESTDIR)$(sbindir)/nbdd' '$(DESTDIR)$(sbindir)/nbdd-keeper' '$(DESTDIR)$(bindir)/nbdctl'
	install -d '$(DESTDIR)$(sysconfdir)/nbdd/devices.d' '$(DESTDIR)$(unitdir)'
	for unit in $(UNITS); do \
	  sed 's,/usr/local/sbin/,$(sbindir)/,; s,/usr/local/bin/,$(bindir)/,' systemd/$$unit >'$(DESTDIR)$(unitdir)/'$$unit && \
	  chmod 644 '$(DESTDIR)$(unitdir)/'$$unit || exit; \
	done
	install -D -m 644 -t '$(DESTDIR)$(udevrulesdir)' systemd/61-nbdd.rules
	install -D -m 644 -t '$(DESTDIR)$(catalogdir)' systemd/nbdd.catalog
	install -d '$(DESTDIR)$(generatordir)'
	ln -sfn '$(sbindir)/nbdd' '$(DESTDIR)$(generatordir)/nbdd-generator'
	install -D -m 644 systemd/nbdd.sysusers '$(DESTDIR)$(sysusersdir)/nbdd.conf'
	install -D -m 644 -t '$(DESTDIR)$(mandir)/man8' man/nbdd.8
	install -D -m 644 -t '$(DESTDIR)$(mandir)/man1' man/nbdctl.1
	install -d '$(DESTDIR)$(bashcompletiondir)' '$(DESTDIR)$(zshcompletiondir)' '$(DESTDIR)$(fishcompletiondir)'
	'$(BINARIES)/nbdctl' --generate-completion-script bash >'$(DESTDIR)$(bashcompletiondir)/nbdctl'
	'$(BINARIES)/nbdctl' --generate-completion-script zsh >'$(DESTDIR)$(zshcompletiondir)/_nbdctl'
	'$(BINARIES)/nbdctl' --generate-completion-script fish >'$(DESTDIR)$(fishcompletiondir)/nbdctl.fish'
	install -D -m 644 -t '$(DESTDIR)$(docdir)/examples' config/nbdd.json config/*.schema.json
	install -D -m 644 -t '$(DESTDIR)$(docdir)/examples/devices.d' config/devices.d/*.json
	install -D -m 644 -t '$(DESTDIR)$(docdir)/examples/prometheus' config/prometheus/*

# Takes the same directories as install. Device files stay, and so does the group nbdd.
uninstall:
	rm -f '$(DESTDIR)$(sbindir)/nbdd' '$(DESTDIR)$(sbindir)/nbdd-keeper' '$(DESTDIR)$(bindir)/nbdctl'
	rm -f $(UNITS:%='$(DESTDIR)$(unitdir)/%') '$(DESTDIR)$(catalogdir)/nbdd.catalog' '$(DESTDIR)$(udevrulesdir)/61-nbdd.rules' '$(DESTDIR)$(sysusersdir)/nbdd.conf'
	rm -f '$(DESTDIR)$(generatordir)/nbdd-generator'
	rm -f '$(DESTDIR)$(mandir)/man8/nbdd.8' '$(DESTDIR)$(mandir)/man1/nbdctl.1'
	rm -f '$(DESTDIR)$(bashcompletiondir)/nbdctl' '$(DESTDIR)$(zshcompletiondir)/_nbdctl' \
	  '$(DESTDIR)$(fishcompletiondir)/nbdctl.fish'
	rm -rf '$(DESTDIR)$(docdir)/examples'
	for directory in '$(docdir)' '$(sysconfdir)/nbdd/devices.d' '$(sysconfdir)/nbdd'; do \
	  [ ! -d '$(DESTDIR)'"$$directory" ] || rmdir --ignore-fail-on-non-empty '$(DESTDIR)'"$$directory" || exit; \
	done

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

prerequisites:
	@Tests/prerequisites
