#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# nbdd is killed while the kernel waits for a device on its behalf: in the partition scan of an attach, in the mount, in
# the flush of a detach. Nothing of that may hold up the end of nbdd, because only the next one can serve the device.
. "$(dirname "$0")/common.sh"

# Reads from the first take long; the second answers at once.
image slow 64M
image plain 64M
mkfs.ext4 -q -F $work/slow.img
serve slow --unix $work/slow.sock --filter=delay file $work/slow.img rdelay=1
serve plain --unix $work/plain.sock file $work/plain.img
serve well --unix $work/well.sock memory 64M
device well "{ \"uri\": \"nbd+unix:///?socket=$work/well.sock\" }"
mkdir $work/mnt

# waits: something waits for a device and cannot be killed.
waits() { grep -qs '^State:.D' /proc/[0-9]*/task/[0-9]*/status; }
# kill_nbdd WHAT: all of it ends at once, and the next one serves what it has left.
kill_nbdd() {
  local started
  within 20 "something waits for the device ($1)" waits
  kill -KILL "$daemon"
  started=$(now)
  within 2 "nbdd ends at once ($1)" gone "$daemon"
  start_nbdd
  figure "killed in $1, answers after $(seconds $(($(now) - started))) s"
  within 5 "the other device is served ($1)" in_state well attached
  ends "and can be read ($1)" 0 dd if="$(runtime well .device)" of=/dev/null bs=64k count=4 iflag=direct status=none
}

device plain "{ \"uri\": \"nbd+unix:///?socket=$work/plain.sock\" }"
start_nbdd
within 20 "well is attached" in_state well attached
within 20 "plain is attached" in_state plain attached

say "in the partition scan of an attach"
device slow "{ \"uri\": \"nbd+unix:///?socket=$work/slow.sock\", \"mount\": { \"path\": \"$work/mnt\" } }"
holds "a new device" nbdctl reload
kill_nbdd "the partition scan"

say "in the mount"
mounting() { pgrep -x mount && waits; }
within 60 "mount runs" mounting
kill_nbdd "the mount"
within 80 "the device is mounted" mounted $work/mnt
within 60 "the device is attached" in_state slow attached

say "in the flush of a detach"
dd if=/dev/urandom of=$work/random bs=64k count=16 status=none
dd if=$work/random of="$(runtime plain .device)" bs=64k seek=256 conv=notrunc status=none
kill -STOP "$(cat $work/plain.pid)"
nbdctl detach plain >/dev/null 2>&1 &
detach=$!
kill_nbdd "the flush"
wait $detach
kill -CONT "$(cat $work/plain.pid)"
within 60 "the device is back" in_state plain attached
ends "it can be detached" 0 nbdctl detach plain
check "the export has what was written" '' "$(cmp -n 1048576 -i 0:16777216 $work/random $work/plain.img 2>&1)"
finish
