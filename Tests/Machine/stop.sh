#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A stop with much to write back waits as long as bytes flow, and no longer than stopTimeout where none do. One device does
# not take another's time, and one that somebody uses does not get more by being busy.
. "$(dirname "$0")/common.sh"

# 8 Mbit/s: the 12 MiB below take some 12 s.
image slow 64M
mkfs.ext4 -q -F $work/slow.img
image used 16M
serve slow --unix $work/slow.sock --filter=rate file $work/slow.img connection-rate=8M
serve used --unix $work/used.sock file $work/used.img
echo '{ "stopTimeout": "4s" }' >$config/nbdd.json
device slow "{ \"uri\": \"nbd+unix:///?socket=$work/slow.sock\", \"mount\": { \"path\": \"$work/mnt\" } }"
device used "{ \"uri\": \"nbd+unix:///?socket=$work/used.sock\" }"
dd if=/dev/urandom of=$work/random bs=1M count=12 status=none

say "a slow server"
start_nbdd
within 60 "slow is mounted" mounted $work/mnt
within 20 "used is attached" in_state used attached
ends "write" 0 dd if=$work/random of=$work/mnt/file bs=1M status=none
began=$(now) process=$daemon
kill -TERM "$process"
within 90 "nbdd ends" gone "$process"
took=$(($(now) - began))
wait "$process"; check "its exit status" 0 $?
daemon=
figure "12 MiB to a server of 8 Mbit/s, stopTimeout 4 s: nbdd ended after $(seconds $took) s"
[ $took -gt 6000 ] || failed "the stop" "longer than stopTimeout" "$took ms"
check "given up" '' "$(grep 'given up' $work/nbdd.log)"
end_server slow
ends "the server's image is clean" 0 e2fsck -fn $work/slow.img
ends "read the file from it" 0 debugfs -R "dump file $work/copy" $work/slow.img
check "it is what was written" '' "$(cmp $work/random $work/copy 2>&1)"

say "a server that does not answer, and a device that is kept busy"
rm -f $work/slow.sock
serve slow --unix $work/slow.sock file $work/slow.img
start_nbdd
within 60 "slow is mounted" mounted $work/mnt
within 20 "used is attached" in_state used attached
kernel_errors_expected=1
ends "write" 0 dd if=$work/random of=$work/mnt/file bs=1M status=none
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
