#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# The direct path and a server that goes away: what nbdd reports, what it waits for, and that device, mount
# and data come back.
. "$(dirname "$0")/common.sh"
kernel_errors_expected=1  # a file system loses its device here

image disk 128M
mkfs.ext4 -q $work/disk.img
up() { serve disk --port 10809 file $work/disk.img; }
up
device disk "{ \"uri\": \"nbd://127.0.0.1/\", \"path\": \"direct\", \"requestTimeout\": \"3s\", \"reconnectDelay\": \"2s\",
  \"mount\": { \"path\": \"$work/disk\" } }"
device other "{ \"uri\": \"nbd+unix:///?socket=$work/other.sock\" }"
serve other --unix $work/other.sock memory 64M
start_nbdd
within 20 "disk is mounted" mounted $work/disk
within 20 "other is attached" in_state other attached
dd if=/dev/urandom of=$work/disk/data bs=1M count=32 conv=fsync status=none
sum=$(sha256sum <$work/disk/data)
back() { in_state disk attached && mounted $work/disk && [ "$(runtime disk .mount.mounted)" = true ]; }

say "the server ends; nobody else uses the mount"
end_server disk KILL
within 10 "reconnecting" in_state disk reconnecting
within 10 "the mount is gone" bash -c "! grep -q ' $work/disk ' /proc/mounts"
matches "why" 'refused' "$(runtime disk '.message')$(runtime disk .failure.message)"
matches "the table shows the next attempt" 'next|retry|attempt' "$(status_lines)"
check "outages" 1 "$(runtime disk .outages)"
# The pauses between attempts, from the times that the status announces.
announced=0 deadline=$(($(now) + 9000))
while [ "$(now)" -lt $deadline ]; do
  next=$(runtime disk .nextAttemptRealtimeUSec)
  # The same attempt may be announced a little off: half a tenth of a second makes it another one.
  [ "$next" = null ] || [ $((next - ${announced##* })) -lt 50000 ] || announced="$announced $next"
  sleep 0.05
done
pauses=$(tr ' ' '\n' <<<"$announced" | awk '$1 > 0 { if (before) printf "%.1f ", ($1 - before) / 1e6; before = $1 }')
figure "pauses between attempts in s: $pauses"
check "attempts are counted" true "$(runtime disk '.attempts >= 3')"
check "no pause longer than reconnectDelay and its jitter" '' "$(awk '{ for (i = 1; i <= NF; i++) if ($i > 3.2) print $i }' <<<"$pauses")"
check "the pauses grow to reconnectDelay" yes "$(awk '{ print ($NF >= 1.2) ? "yes" : "no" }' <<<"$pauses")"
check "the other device" attached "$(runtime other .state)"
holds "it still reads" dd if="$(runtime other .device)" of=/dev/null bs=64k count=1 iflag=direct

started=$(now)
up
within 10 "device and mount are back" back
figure "back $(seconds $(($(now) - started))) s after the server"
check "data" "$sum" "$(sha256sum <$work/disk/data)"
holds "it can be written" dd if=/dev/urandom of=$work/disk/more bs=1M count=4 conv=fsync status=none

say "a process stands in the mount"
(cd $work/disk && exec sleep 1000) &
holder=$!
sleep 0.3
end_server disk KILL
within 10 "reconnecting" in_state disk reconnecting
up
held() { runtime disk '.holders | join(" ")' | grep -q "sleep.*$holder\|$holder.*sleep"; }
within 10 "the holder is named in the status" held
matches "and in the sentence" "sleep|$holder|held|holder|in use|busy" "$(runtime disk .message)"
matches "and in the table" "sleep|$holder|held|holder|in use|busy" "$(nbdctl status disk)"
sleep 3
check "state while it is held" reconnecting "$(runtime disk .state)"
kill $holder; wait $holder 2>/dev/null
started=$(now)
within 15 "device and mount are back" back
figure "back $(seconds $(($(now) - started))) s after the holder"
check "data" "$sum" "$(sha256sum <$work/disk/data)"
check "outages" 2 "$(runtime disk .outages)"

say "detach during an outage"
end_server disk KILL
within 10 "reconnecting" in_state disk reconnecting
ends "detach" 0 nbdctl detach disk
check "state" detached "$(runtime disk .state)"
check "next attempt" null "$(runtime disk .nextAttemptRealtimeUSec)"
up
sleep 3
check "still detached when the server is back" detached "$(runtime disk .state)"
ends "attach" 0 nbdctl attach disk
within 5 "mounted" back
check "data" "$sum" "$(sha256sum <$work/disk/data)"

say "the server stalls instead of ending"
kill -STOP "$(cat $work/disk.pid)"
timeout 30 dd if="$(runtime disk .device)" of=/dev/null bs=64k count=1 skip=900 iflag=direct 2>/dev/null &
reader=$!
in_outage() { case $(runtime disk .state) in connecting | reconnecting) ;; *) false ;; esac; }
within 20 "a request that is not answered is an outage" in_outage
kill -CONT "$(cat $work/disk.pid)"
wait $reader
within 20 "device and mount are back" back
check "data" "$sum" "$(sha256sum <$work/disk/data)"

say "nbdd ends while a server is away"
end_server disk KILL
within 10 "reconnecting" in_state disk reconnecting
finish
