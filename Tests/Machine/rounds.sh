#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Attaching and detaching leaves nothing behind: 25 rounds on one device, then 16 devices at once.
. "$(dirname "$0")/common.sh"

serve tcp --port 10809 memory 64M
serve unix --unix $work/server.sock memory 64M
device one '{ "uri": "nbd://127.0.0.1/", "autoAttach": false }'
for index in {1..8}; do
  device "tcp$index" "{ \"uri\": \"nbd://127.0.0.1/$index\", \"autoAttach\": false }"
  device "unix$index" "{ \"uri\": \"nbd+unix:///$index?socket=$work/server.sock\", \"autoAttach\": false }"
done
start_nbdd

# The first rounds may create what then stays for good (a thread pool, a socket to the resolver).
for _ in 1 2; do ends "attach" 0 nbdctl attach one; ends "detach" 0 nbdctl detach one; done
# Threads of a pool live on for some seconds after their work.
settled() { before=$(counts); sleep 6; [ "$(counts)" = "$before" ]; }
within 60 "the counts come to rest" settled
unchanged() { [ "$(counts)" = "$before" ]; }

say "25 rounds on one device"
started=$(now)
for round in {1..25}; do
  ends "attach, round $round" 0 nbdctl attach one
  path=$said
  matches "what attach prints" '^/dev/nbd[0-9]+$' "$path"
  check "kernel's size, round $round" 131072 "$(cat "/sys/block/${path#/dev/}/size")"
  ends "detach, round $round" 0 nbdctl detach one
  check "busy devices, round $round" '' "$(busy)"
done
figure "25 rounds in $(seconds $(($(now) - started))) s"
within 40 "counts are as before the 25 rounds" unchanged
check "held after 25 rounds" "$before" "$(counts)"

say "16 devices at once"
names=$(cd $config/devices.d && ls -- *[0-9].json | sed 's/\.json$//')
started=$(now) attaching=()
for name in $names; do nbdctl attach "$name" >"$work/$name.path" & attaching+=($!); done
for process in "${attaching[@]}"; do wait "$process"; check "attach of one of 16" 0 $?; done
figure "16 attached in $(seconds $(($(now) - started))) s"
check "different devices" 16 "$(cat $work/*[0-9].path | sort -u | wc -l)"
check "busy devices" 16 "$(busy | wc -l)"
during=$(counts)
started=$(now) detaching=()
for name in $names; do nbdctl detach "$name" & detaching+=($!); done
for process in "${detaching[@]}"; do wait "$process"; check "detach of one of 16" 0 $?; done
figure "16 detached in $(seconds $(($(now) - started))) s"
within 40 "counts are as before the 16" unchanged
check "held after 16 at once" "$before" "$(counts)"
figure "before: $before; 16 attached: $during; after: $(counts)"
finish
