#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A server whose cache is gone when it is killed: nothing that was acknowledged is lost. The same with the relay told
# to forget what no flush has covered shows that there was something to lose. NBD_SOAK=1: 50 kills instead of 10.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"

kills=$(for_soak 10 50)
# Writes stay in an unnamed file, which cannot be found again (nbdkit-cache-filter(1)); a flush transfers
# them.
up() { serve cached --unix $work/cached.sock --filter=cache file $work/cached.img cache=writeback; }
device cached "{ \"uri\": \"nbd+unix:///?socket=$work/cached.sock\" }"
head -c 1M /dev/urandom >$work/first
head -c 1M /dev/urandom >$work/second
at_server() { dd if=$work/cached.img bs=1M skip="$1" count=1 status=none | sha256sum; }
on_device() { dd if="$path" bs=1M skip="$1" count=1 iflag=direct status=none | sha256sum; }
is_back() { in_state cached attached && [ "$(runtime cached .relay.outages)" -gt "$1" ]; }
killed() {
  outages=$(runtime cached .relay.outages)
  end_server cached KILL
  between 0 300
  rm -f $work/cached.sock
  up
  within 30 "the device is back" is_back "$outages"
}

# begin: a new image, nbdd, the device.
begin() {
  rm -f $work/cached.img
  image cached 64M
  up
  start_nbdd
  within 20 "attached" in_state cached attached
  path=$(runtime cached .device)
}
# one_write: a flushed megabyte, then one that is not, and a kill; what the server and the device have then.
one_write() {
  dd if=$work/first of="$path" bs=1M seek=40 oflag=direct conv=fsync status=none
  dd if=$work/second of="$path" bs=1M seek=41 oflag=direct status=none
  check "a flushed write is at the server" "$(sha256sum <$work/first)" "$(at_server 40)"
  check "the other is not" "$(head -c 1M /dev/zero | sha256sum)" "$(at_server 41)"
  unflushed=$(runtime cached .relay.unflushedBytes)
  killed
  check "a flushed write, after the kill" "$(sha256sum <$work/first)" "$(on_device 40)"
}
# writes_go_on: returns while the device is acknowledging writes; a kill at any other moment has nothing to lose.
writes_go_on() {
  local before written deadline=$(($(now) + 20000))
  read -r _ _ _ _ before _ <"/sys/block/${path#/dev/}/stat"
  until [ -e $work/cached.wrong ]; do
    read -r _ _ _ _ written _ <"/sys/block/${path#/dev/}/stat"
    [ "$written" -lt $((before + 8)) ] || return
    [ "$(now)" -lt $deadline ] || { failed "writes" "some more" "$written"; return; }
    sleep 0.01
  done
}
# torture: kills under verified writes; ends earlier if something is lost.
torture() {
  local count
  fio_begin cached "$path" "${writing[@]}"
  for ((count = 0; count < kills; count++)); do
    between 50 1000
    writes_go_on
    [ ! -e $work/cached.wrong ] || break  # it has seen enough
    killed
  done
  fio_stop cached
  done_kills=$count
}
# leave: ends nbdd and the server.
leave() {
  stop_nbdd
  end_server cached
  rm -f $work/cached.sock
}

say "the relay keeps what no flush has covered"
begin
one_write
check "bytes that are kept" 1048576 "$unflushed"
check "the write that the server lost" "$(sha256sum <$work/second)" "$(on_device 41)"
sync "$path"
check "flushed, it is at the server" "$(sha256sum <$work/second)" "$(at_server 41)"
check "bytes that are kept after the flush" 0 "$(runtime cached .relay.unflushedBytes)"
torture
check "what fio found" '' "$wrong"
check "kills" $kills $done_kills
check "outages" $((kills + 1)) "$(runtime cached .relay.outages)"
figure "kept: $done_kills kills, $ios verified I/Os, nothing lost; the longest outage $(runtime cached .relay.longestOutageMSec) ms"
leave
quiet_kernel

say "the relay forgets"
# A release build cannot do that: it needs a build for tests.
[ -x "$tree/.build/debug/nbdd" ] || skip "no build for tests: swift build"
mkdir $work/forgetful
ln -s "$tree/.build/debug/nbdd" $work/forgetful/nbdd
PATH=$work/forgetful:$PATH
export NBDD_TEST_WITHOUT=keep
begin
one_write
check "the write that the server lost is zeroes" "$(head -c 1M /dev/zero | sha256sum)" "$(on_device 41)"
kills=40  # a kill just after a flush shows nothing
torture
matches "fio finds the loss" 'verify|bad|fio ended' "$wrong"
figure "forgotten: after $done_kills kills fio finds $(grep -Em 1 -o 'verify: bad[^,]*|.*verify.*' <<<"$wrong" | head -n 1)"
leave
finish
