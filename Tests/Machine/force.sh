#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# The ways out of an outage: detach and detach --force, fail, giveUpAfter, reconnect, and a socket that is there again.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"
kernel_errors_expected=1  # what is given up fails

head -c 1M /dev/urandom >$work/first
image disk 64M
image tree 64M
mkfs.ext4 -q $work/tree.img
dd if=$work/first of=$work/disk.img bs=1M seek=8 conv=notrunc status=none
up_disk() { serve disk --port 10809 file $work/disk.img; }
up_tree() { serve tree --port 10810 file $work/tree.img; }
device disk '{ "uri": "nbd://127.0.0.1/" }'
device tree "{ \"uri\": \"nbd://127.0.0.1:10810/\", \"mount\": { \"path\": \"$work/tree\" } }"
up_disk; up_tree
start_nbdd
within 20 "disk is attached" in_state disk attached
within 20 "tree is mounted" mounted $work/tree

# reader SKIP: a process that reads a megabyte of disk; `reader_ended` then says with what.
reader() {
  rm -f $work/reader.ended
  (dd if="$path" of=$work/read bs=1M skip="$1" count=1 iflag=direct 2>$work/reader.error; now >$work/reader.ended) &
}
blocked() { [ "$(runtime disk .relay.requestsHeld)" -gt 0 ]; }
reader_ended() {
  within 10 "the reader ends: $1" test -s $work/reader.ended
  matches "with an error: $1" 'Input/output error' "$(cat $work/reader.error)"
}
right() { check "data of disk: $1" "$(sha256sum <$work/first)" "$(dd if="$(runtime disk .device)" bs=1M skip=8 count=1 iflag=direct status=none | sha256sum)"; }
# forced NAME WHAT: detach --force is quick, and leaves nothing.
forced() {
  local started; started=$(now)
  ends "detach --force: $2" 0 nbdctl detach "$1" --force
  started=$(($(now) - started))
  [ $started -lt 10000 ] || failed "time of detach --force: $2" "below 10 s" "$(seconds $started) s"
  figure "detach --force, $2: $(seconds $started) s; notes: $(tr '\n' ' ' <<<"$noted$said")"
  check "state after detach --force: $2" detached "$(runtime "$1" .state)"
}

say "detach while the server is dead"
path=$(runtime disk .device)
end_server disk KILL
within 10 "an outage" in_state disk reconnecting
reader 8
within 5 "the reader waits" blocked
ends "a plain detach is refused" 1 nbdctl detach disk
matches "with the reason" 'refused' "$noted"
matches "and what to do" '\-\-force' "$noted"
check "state" reconnecting "$(runtime disk .state)"
check "the reader still waits" no "$([ -s $work/reader.ended ] && echo yes || echo no)"
forced disk "a dead server and a blocked reader"
matches "the note says what was given up" '[0-9] requests? failed with I/O errors' "$noted"
reader_ended "detach --force"
up_disk
ends "attach again" 0 nbdctl attach disk
right "attached again"

say "detach --force while the server is stopped"
path=$(runtime disk .device)
kill -STOP "$(cat $work/disk.pid)"
reader 20
within 5 "the reader waits" blocked
forced disk "a stopped server and a blocked reader"
reader_ended "detach --force"
kill -CONT "$(cat $work/disk.pid)"
ends "attach again" 0 nbdctl attach disk
right "attached again"

say "detach --force with a mounted file system that has more to write"
cp $work/first $work/tree/kept
sync $work/tree/kept $work/tree
end_server tree KILL
within 10 "an outage" in_state tree reconnecting
cp $work/first $work/tree/dropped
ends "a plain detach is refused" 1 nbdctl detach tree
matches "and says what to do" '\-\-force' "$noted"
check "it is still mounted" yes "$(mounted $work/tree && echo yes)"
forced tree "a dead server and a mounted ext4"
matches "the notes name the mount or the loss" "$work/tree|lost|error" "$noted"
check "mounts" '' "$(grep ' /run/scenario/tree ' /proc/mounts)"
up_tree
ends "attach again" 0 nbdctl attach tree
holds "what was synced is there" cmp $work/first $work/tree/kept
holds "it can be written" cp $work/first $work/tree/new

say "nbdctl fail"
ends "without an outage there is nothing to fail" 0 nbdctl fail disk
path=$(runtime disk .device)
end_server disk KILL
within 10 "an outage" in_state disk reconnecting
reader 8
within 5 "the reader waits" blocked
started=$(now)
ends "fail" 0 nbdctl fail disk
reader_ended "fail"
figure "fail: the reader had its error after $(seconds $(($(cat $work/reader.ended) - started))) s"
check "it says so" true "$(runtime disk .relay.givenUp)"
ends "what comes then fails at once" 1 dd if="$path" of=/dev/null bs=4k skip=3000 count=1 iflag=direct
up_disk
within 10 "the device is back" in_state disk attached
check "not given up any more" false "$(runtime disk .relay.givenUp)"
right "after fail"
check "the same device" "$path" "$(runtime disk .device)"

say "giveUpAfter"
ends "detach" 0 nbdctl detach disk
device disk '{ "uri": "nbd://127.0.0.1/", "giveUpAfter": "3s", "reconnectDelay": "30s" }'
ends "reload" 0 nbdctl reload
ends "attach" 0 nbdctl attach disk
path=$(runtime disk .device)
started=$(now)
end_server disk KILL
reader 8
reader_ended "giveUpAfter"
took=$(($(cat $work/reader.ended) - started))
[ $took -ge 3000 ] && [ $took -le 6000 ] || failed "time until the reader's error" "3 s" "$(seconds $took) s"
figure "giveUpAfter 3s: the reader had its error after $(seconds $took) s"
check "it says so" true "$(runtime disk .relay.givenUp)"
up_disk
within 10 "the device is back" in_state disk attached
right "after giveUpAfter"

say "reconnect cuts a wait short"
# A server with another export, which is a persistent error: the longest pause.
other() { serve disk "$@" memory 1M; }
end_server disk KILL
other --port 10809
within 10 "failed" in_state disk failed
matches "why" 'shrunk|smaller' "$(runtime disk .failure.message)"
end_server disk
up_disk
wait_is() { echo $(($(runtime disk .nextAttemptRealtimeUSec) / 1000 - $(now))); }
[ "$(wait_is)" -gt 10000 ] || failed "the wait" "more than 10 s" "$(wait_is) ms"
started=$(now)
ends "reconnect" 0 nbdctl reconnect disk
within 5 "the device is back" in_state disk attached
figure "reconnect: back after $(seconds $(($(now) - started))) s instead of up to 30"
right "after reconnect"

say "a socket that is there again"
ends "detach" 0 nbdctl detach disk
end_server disk
device disk "{ \"uri\": \"nbd+unix:///?socket=$work/disk.sock\" }"
serve disk --unix $work/disk.sock file $work/disk.img
ends "reload" 0 nbdctl reload
ends "attach" 0 nbdctl attach disk --wait 10s
end_server disk KILL
rm -f $work/disk.sock
other --unix $work/disk.sock
within 10 "failed" in_state disk failed
end_server disk
rm -f $work/disk.sock
# The pause begins once the second server has gone, or has begun before: long in either case.
[ -n "$soak" ] && sleep 20
started=$(now)
serve disk --unix $work/disk.sock file $work/disk.img
within 5 "the device is back" in_state disk attached
figure "socket: back $(seconds $(($(now) - started))) s after it was there again"
right "after the socket's return"
finish
