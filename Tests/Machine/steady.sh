#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# nbdd does not grow: 24 MiB/s of writes, an outage every 5 s for 40 s; NBD_SOAK=1: every 10 s for 10 minutes.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"

period=$(for_soak 5 10) rounds=$(for_soak 8 60)
image disk 64M
up() { serve disk --port 10809 file $work/disk.img; }
up
device disk '{ "uri": "nbd://localhost/", "connections": 4 }'
start_nbdd
within 20 "attached" in_state disk attached
within 20 "all connections are up" all_up disk
path=$(runtime disk .device)
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
# cycle: an outage of a second.
cycle() {
  end_server disk KILL
  between 500 1000
  up
  within 30 "all connections are back" all_up disk
}
# By now everything exists that is created once and kept: memory of the first writes, threads of a pool.
cycle
holds "first writes" dd if=/dev/urandom of="$path" bs=1M count=64 oflag=direct status=none
settled() { before=$(counts); sleep 6; [ "$(counts)" = "$before" ]; }
within 60 "the counts come to rest" settled
start=$(memory) least=$(memory) most=0

fio_begin disk "$path" --name=steady --rw=write --bs=64k --iodepth=16 --size=64M --io_size=512M --rate=24m --fsync=64
measured=$(now)
for ((round = 0; round < rounds; round++)); do
  cycle
  while [ "$(now)" -lt $((measured + (round + 1) * period * 1000)) ]; do
    sleep 0.5
    size=$(memory)
    [ "$size" -ge "$least" ] || least=$size
    [ "$size" -le $most ] || most=$size
  done
done
spent=$(($(now) - measured))
fio_end disk
unchanged() { [ "$(counts)" = "$before" ]; }
within 40 "descriptors, threads and sockets are as before" unchanged
check "held in the end" "$before" "$(counts)"
end=$(memory)
rate=$((ios * 64 / 1024 * 1000 / spent))
figure "$((spent / 1000)) s, $rounds outages, $rate MiB/s; RSS in KiB: start $start, least $least, most $most, end $end; $before"
# It may hold 64 MiB of writes and 32 MiB of reads, and what it needs for itself.
[ "$most" -lt $((120 << 10)) ] || failed "memory of nbdd" "below 120 MiB" "$most KiB"
finish
