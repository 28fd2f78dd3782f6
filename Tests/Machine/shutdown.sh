#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What nbdd-shutdown.service does at the beginning of a shutdown: a file system whose server is gone can be unmounted after
# shutdownTimeout, counted from then, one whose server is slow has all the time that it needs, and the stop of nbdd does not
# wait once more.
# on-kernel: --systemd
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
kernel_errors_expected=1

make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
PATH=/usr/local/sbin:/usr/local/bin:$PATH
systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
systemctl daemon-reload
mkdir -p /etc/nbdd/devices.d
echo '{ "shutdownTimeout": "5s", "stopTimeout": "60s" }' >/etc/nbdd/nbdd.json
for name in dead slow well; do
  image $name 64M
  mkfs.ext4 -q -F $work/$name.img
  echo "{ \"uri\": \"nbd+unix:///?socket=$work/$name.sock\", \"requestTimeout\": \"20s\" }" >/etc/nbdd/devices.d/$name.json
  mkdir $work/$name
done
serve dead --unix $work/dead.sock file $work/dead.img
serve well --unix $work/well.sock file $work/well.img
serve slow --unix $work/slow.sock --filter=rate file $work/slow.img connection-rate=8M
dd if=/dev/urandom of=$work/random bs=1M count=12 status=none
ends "start" 0 systemctl start nbdd.socket nbdd.service
for name in dead slow well; do
  within 20 "$name is attached" in_state $name attached
  holds "mount $name" mount "$(runtime $name .device)" $work/$name
done
within 10 "the unit is started along" systemctl is-active --quiet nbdd-shutdown.service
for name in dead slow; do ends "write" 0 dd if=$work/random of=$work/$name/file bs=1M status=none; done
end_server dead KILL
within 10 "dead is in an outage" in_state dead reconnecting
sleep 7

say "the shutdown begins"
began=$(now)
ends "stop the unit" 0 systemctl stop nbdd-shutdown.service
for name in dead slow; do
  (umount $work/$name 2>$work/$name.umount; echo $? >$work/$name.status; now >$work/$name.done) &
done
sleep 2
check "dead has its time, although its outage is older" '' "$(cat $work/dead.status 2>/dev/null)"
within 30 "dead is unmounted" test -s $work/dead.done
took=$(($(cat $work/dead.done) - began))
figure "a file system without its server, shutdownTimeout 5 s: unmounted after $(seconds $took) s"
[ $took -ge 5000 ] || failed "the time for dead" "at least 5 s" "$took ms"
within 60 "slow is unmounted" test -s $work/slow.done
figure "12 MiB to a server of 8 Mbit/s: unmounted after $(seconds $(($(cat $work/slow.done) - began))) s"
check "umount of slow" 0 "$(cat $work/slow.status)"
ends "what was idle is served" 0 dd if="$(runtime well .device)" of=/dev/null bs=64k count=4 iflag=direct status=none
said_so() { journalctl -b --no-pager -o cat -u nbdd.service | grep 'given up for the shutdown'; }
check "who was given up" 1 "$(said_so | wc -l)"
matches "what is said of it" 'dead: given up for the shutdown: its server has been silent for 5 s; requests fail, and [0-9]+ acknowledged' "$(said_so)"
umount $work/well
began=$(now)
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
took=$(($(now) - began))
figure "then nbdd stops after $(seconds $took) s (stopTimeout 60 s)"
[ $took -lt 30000 ] || failed "the stop" "does not wait for dead" "$took ms"
check "attached devices" '' "$(busy)"
end_server slow
ends "the slow server's image is clean" 0 e2fsck -fn $work/slow.img
ends "read the file from it" 0 debugfs -R "dump file $work/copy" $work/slow.img
check "it is what was written" '' "$(cmp $work/random $work/copy 2>&1)"
[ $failures = 0 ] || journalctl -b --no-pager -u nbdd.service -n 60
finish
