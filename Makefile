# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# The entry points. Needed beforehand: the Swift toolchain. `make prerequisites` gets the rest.

PREFIX ?= /usr/local
DESTDIR ?=
BINARIES ?= .build/release
SECONDS ?= 60
HOURS ?= 2

.PHONY: help build demo check bench soak fuzz install format prerequisites

help:
	@echo 'make build           nbdd and nbdctl in $(BINARIES), each one file that can be copied'
	@echo 'make demo            shows nbdd at work on a real kernel; nothing of this machine is touched'
	@echo 'make check           everything that must hold'
	@echo 'make bench           what the relay costs, as ratios beside its peers'
	@echo 'make soak            outages by the hundred, under verified load; then HOURS=$(HOURS) of random histories'
	@echo 'make fuzz            hostile input for everything that reads some, SECONDS=$(SECONDS) of each kind'
	@echo 'make install         as root, after make build; DESTDIR= and PREFIX=$(PREFIX)'
	@echo 'make format          brings the Swift files into shape'
	@echo 'make prerequisites   installs what is missing for all of these'

build:
	swift build -c release --static-swift-stdlib

demo: prerequisites build
	Tests/Machine/on-kernel --timeout 300 -- Tests/Machine/demo.sh

check: prerequisites
	Tests/check

bench: prerequisites build
	NBDD_BENCHMARKS=1 swift build -c release --static-swift-stdlib --product relay-bench
	Benchmarks/run
	Benchmarks/devices.sh

soak: prerequisites build
	NBD_SOAK=1 Tests/Machine/run kills cache steady force sparse faults
	Tests/History/run --seconds $$(($(HOURS) * 3600))
	Tests/History/run --threads --seconds $$(($(HOURS) * 600))

fuzz:
	Tests/Fuzz/run --seconds $(SECONDS)

# Installs what has been built and builds nothing, so that root compiles nothing.
install:
	@test -x '$(BINARIES)/nbdd' || { echo 'not built yet: make build'; exit 1; }
	install -D -s -m 755 '$(BINARIES)/nbdd' '$(DESTDIR)$(PREFIX)/sbin/nbdd'
	install -D -s -m 755 '$(BINARIES)/nbdctl' '$(DESTDIR)$(PREFIX)/bin/nbdctl'
	install -d '$(DESTDIR)$(PREFIX)/lib/systemd/system'
	for unit in nbdd.service nbdd.socket; do \
	  sed 's,/usr/local/,$(PREFIX)/,' systemd/$$unit >'$(DESTDIR)$(PREFIX)/lib/systemd/system/'$$unit && \
	  chmod 644 '$(DESTDIR)$(PREFIX)/lib/systemd/system/'$$unit || exit; \
	done
	install -D -m 644 systemd/nbdd.sysusers '$(DESTDIR)$(PREFIX)/lib/sysusers.d/nbdd.conf'
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/man/man8' man/nbdd.8
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/man/man1' man/nbdctl.1
	install -d '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' '$(DESTDIR)$(PREFIX)/share/zsh/site-functions' \
	  '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	'$(BINARIES)/nbdctl' --generate-completion-script bash >'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nbdctl'
	'$(BINARIES)/nbdctl' --generate-completion-script zsh >'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nbdctl'
	'$(BINARIES)/nbdctl' --generate-completion-script fish >'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/nbdctl.fish'
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/nbdd/examples' config/nbdd.json config/*.schema.json
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/nbdd/examples/devices.d' config/devices.d/*.json

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

prerequisites:
	@Tests/prerequisites
