#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# With 16 devices attached and nothing to do, nbdd does not wake up once in 10 s.
. "$(dirname "$0")/common.sh"

serve tcp --port 10809 memory 64M
for index in {1..16}; do device "disk$index" "{ \"uri\": \"nbd://127.0.0.1/$index\" }"; done
start_nbdd
all_attached() { [ "$(nbdctl status --json | jq '[.devices[] | select(.runtime.state == "attached")] | length')" = 16 ]; }
within 40 "16 devices are attached" all_attached

# How often any thread of nbdd was scheduled away, by itself or by the kernel: it must have run to be.
switches() { cat "/proc/$daemon"/task/*/status | awk '/ctxt_switches/ { sum += $2 } END { print sum }'; }
# Threads of a pool live on for some seconds after their work; one that ends would spoil the sum.
settled() { local before; before=$(switches); sleep 8; [ "$(switches)" = "$before" ]; }
within 90 "nbdd comes to rest after attaching" settled

before=$(switches)
sleep 10
after=$(switches)
check "wake-ups of nbdd in 10 s" 0 $((after - before))
figure "wake-ups in 10 s: $((after - before)); $(awk '/^VmRSS/ { print $2 " kB resident" }' "/proc/$daemon/status"), \
$(find "/proc/$daemon/task" -mindepth 1 -maxdepth 1 | wc -l) threads, 16 devices"

# The memory that a burst takes is released after some idle seconds.
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
before=$(resident)
path=$(busy | head -n 1)
dd if=/dev/zero of="/dev/$path" bs=4M count=6 oflag=direct status=none
most=$(resident)
[ "$most" -gt $((before + 8192)) ] || failed "a burst takes memory" "more than 8 MiB beside $before kB" "$most kB"
given_back() { [ "$(resident)" -lt $((before + 4096)) ]; }
within 60 "the memory is given back, although nobody has asked for a flush" given_back
figure "resident: $before kB, after a burst $most kB, then $(resident) kB"
finish
