#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A stop with much to write back waits as long as bytes flow, on either path and also if somebody used the device until just
# before stopTimeout, and no longer than that where none do. One device does not take another's time, and one that somebody
# uses does not get more by being busy.
. "$(dirname "$0")/common.sh"

# 8 Mbit/s: the 12 MiB below take some 12 s.
# One thread, so that requests are done one after the other.
slow() { serve "$1" --unix "$work/$1.sock" --threads 1 --filter=rate file "$work/$1.img" connection-rate=8M; }
for name in slow direct; do
  image $name 64M
  mkfs.ext4 -q -F $work/$name.img
  slow $name
done
image used 16M
serve used --unix $work/used.sock file $work/used.img
echo '{ "stopTimeout": "4s" }' >$config/nbdd.json
device slow "{ \"uri\": \"nbd+unix:///?socket=$work/slow.sock\", \"mount\": { \"path\": \"$work/slow\" } }"
device direct "{ \"uri\": \"nbd+unix:///?socket=$work/direct.sock\", \"path\": \"direct\",
  \"mount\": { \"path\": \"$work/direct\" } }"
device used "{ \"uri\": \"nbd+unix:///?socket=$work/used.sock\" }"
dd if=/dev/urandom of=$work/random bs=1M count=12 status=none

say "slow servers"
start_nbdd
for name in slow direct; do within 60 "$name is mounted" mounted $work/$name; done
within 20 "used is attached" in_state used attached
for name in slow direct; do ends "write" 0 dd if=$work/random of=$work/$name/file bs=1M status=none; done
(exec 8<$work/slow; sleep 3) & user=$!
sleep 0.2
began=$(now) process=$daemon
kill -TERM "$process"
within 90 "nbdd ends" gone "$process"
took=$(($(now) - began))
wait "$process"; check "its exit status" 0 $?
wait $user
daemon=
figure "12 MiB each to two servers of 8 Mbit/s, one in use for the first 3 s, stopTimeout 4 s: nbdd ended after $(seconds $took) s"
[ $took -gt 6000 ] || failed "the stop" "longer than stopTimeout" "$took ms"
matches "it was in use" 'slow: not detached: .* in use' "$(cat $work/nbdd.log)"
check "given up" '' "$(grep 'given up' $work/nbdd.log)"
for name in slow direct; do
  end_server $name
  ends "the image of $name is clean" 0 e2fsck -fn $work/$name.img
  ends "read the file from it" 0 debugfs -R "dump file $work/copy" $work/$name.img
  check "it is what was written" '' "$(cmp $work/random $work/copy 2>&1)"
  rm -f $work/copy
done
rm $config/devices.d/direct.json

say "a server that does not answer, and a device that is kept busy"
rm -f $work/slow.sock
serve slow --unix $work/slow.sock file $work/slow.img
start_nbdd
within 60 "slow is mounted" mounted $work/slow
within 20 "used is attached" in_state used attached
kernel_errors_expected=1
ends "write" 0 dd if=$work/random of=$work/slow/file bs=1M status=none
kill -STOP "$(cat $work/slow.pid)"
exec 9<>"$(runtime used .device)"
(while dd if=$work/random bs=64k count=8 oflag=direct status=none of="$(readlink /proc/self/fd/9)"; do :; done) 2>/dev/null &
began=$(now) process=$daemon
kill -TERM "$process"
within 60 "nbdd ends" gone "$process"
took=$(($(now) - began))
wait "$process"; check "its exit status" 1 $?
daemon=
exec 9>&-
figure "a server that does not answer, and a busy device: nbdd ended after $(seconds $took) s"
matches "it says what it has given up" 'slow: given up' "$(cat $work/nbdd.log)"
matches "and what else" 'used: given up' "$(cat $work/nbdd.log)"
kill -CONT "$(cat $work/slow.pid)"
within 20 "nothing is attached" is '' busy
finish
