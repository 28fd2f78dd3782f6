#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Holes cross the network as holes: 4 GiB that are almost empty, read through the device.
. "$(dirname "$0")/common.sh"

image sparse 4G
for megabyte in 0 1000 4095; do
  dd if=/dev/urandom of=$work/sparse.img bs=1M seek=$megabyte count=1 conv=notrunc status=none
done
qemu-nbd --fork --persistent --read-only --format=raw --cache=none --port=10810 --pid-file=$work/sparse.pid $work/sparse.img 2>$work/qemu.log ||
  qemu-nbd --fork --persistent --read-only --format=raw --port=10810 --pid-file=$work/sparse.pid $work/sparse.img
# What is on the wire is counted twice: by nbdd, and by the proxy between it and the server.
$python $machine/proxy.py 10809 127.0.0.1:10810 $work/proxy >$work/proxy.log 2>&1 &
within 10 "the proxy listens" grep -q listening $work/proxy.log
device sparse '{ "uri": "nbd://127.0.0.1/" }'
start_nbdd
within 20 "attached" in_state sparse attached
path=$(runtime sparse .device)
wire() {
  rm -f $work/counted
  echo "count $work/counted" >$work/proxy
  within 10 "the proxy counts" test -e $work/counted
  read -r _ wire <$work/counted
}
wire
wire_before=$wire nbdd_before=$(runtime sparse .relay.bytesFromServer)
started=$(now)
holds "4 GiB are read" dd if="$path" of=$work/copy bs=1M iflag=direct conv=sparse status=none
took=$(($(now) - started))
wire
wire=$((wire - wire_before)) counted=$(($(runtime sparse .relay.bytesFromServer) - nbdd_before))
size=$((4 << 30))
[ $counted -lt $((size / 50)) ] || failed "bytes from the server, by nbdd" "below 2 % of $size" "$counted"
[ $wire -lt $((size / 50)) ] || failed "bytes from the server, on the wire" "below 2 % of $size" "$wire"
# Without TLS both see the same bytes.
check "nbdd and the wire agree" "$wire" "$counted"
[ $wire -ge $((3 << 20)) ] || failed "bytes on the wire" "at least the data" "$wire"
for megabyte in 0 1000 4095; do
  holds "data at $megabyte MiB" cmp --bytes=1048576 --ignore-initial=$((megabyte << 20)) $work/sparse.img $work/copy
done
check "data besides" "$(du -k $work/sparse.img | cut -f 1)" "$(du -k $work/copy | cut -f 1)"
figure "4096 MiB read in $(seconds $took) s; $((wire / 1024)) KiB came from the server, 3072 KiB of them data"
finish
