#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What the log says of an outage and of a give-up, line by line: Tests/Golden/outage.txt.
# If it has changed on purpose, take what follows "the log:" in .build/machine/log.log.
. "$(dirname "$0")/common.sh"

golden=$tree/Tests/Golden/outage.txt
image disk 64M
device disk "{ \"uri\": \"nbd+unix:///?socket=$work/disk.sock\", \"giveUpAfter\": \"1h\" }"
up() { rm -f $work/disk.sock; serve disk --unix $work/disk.sock file $work/disk.img; }
write_a_block() { dd if=/dev/zero of=/dev/nbd0 bs=4k count=1 oflag=direct status=none; }

up
start_nbdd
within 20 "disk is attached" in_state disk attached

say "an outage with a request that waits"
end_server disk KILL
within 20 "the outage is seen" in_state disk reconnecting
write_a_block & writer=$!
within 20 "the write waits" is 1 runtime disk .relay.requestsHeld
within 20 "three attempts have failed" grep -q 'attempt 3 failed' $work/nbdd.log
up
within 20 "disk is back" in_state disk attached
wait $writer; check "status of the write, which has waited" 0 $?

say "an outage that a person ends"
end_server disk KILL
within 20 "the outage is seen" in_state disk reconnecting
write_a_block 2>/dev/null & writer=$!
sleep 1.5
holds "nbdctl fail" nbdctl fail disk
wait $writer; check "status of the write, which has failed" 1 $?
kernel_errors_expected=1
up
within 20 "disk is back" in_state disk attached
holds "nbdctl detach" nbdctl detach disk

# How many attempts there are, and how long everything takes, depends on the machine.
masked() {
  sed -E 's/^<[0-9]>//; s/next attempt .*/next attempt …/; s/pid [0-9]+/pid …/g; s/[0-9.]+ (ms|s)\b/… s/g' "$1" | grep -vE 'attempt [0-9]+ failed'
}
say "the log:"
masked $work/nbdd.log
check "the log" "$(cat "$golden")" "$(masked $work/nbdd.log)"
finish
