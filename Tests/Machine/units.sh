#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Declared mounts as mount units: made by the generator, started with the device, kept over restarts and crashes of nbdd, and
# stopped in order, with the services that need them. Units of the administrator's count more.
# on-kernel: --systemd
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
property() { systemctl show "$1" --property="$2" --value; }
active() { systemctl is-active --quiet "$1"; }

make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
PATH=/usr/local/sbin:/usr/local/bin:$PATH
systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
mkdir -p /etc/nbdd/devices.d
devices=/etc/nbdd/devices.d
for name in db outer inner late hand fstab loose; do
  image $name 32M
  mkfs.ext4 -q -F $work/$name.img
done
tune2fs -E force_fsck $work/db.img >/dev/null
up() { serve "$1" --unix $work/"$1".sock file $work/"$1".img; }
for name in db inner late hand fstab; do up $name; done
# declared NAME MOUNT: its configuration file.
declared() { echo "{ \"uri\": \"nbd+unix:///?socket=$work/$1.sock\", \"reconnectDelay\": \"1s\", \"mount\": $2 }" >$devices/"$1".json; }
declared db '{ "path": "/srv/db dir%1", "check": true, "options": ["noatime"] }'
declared outer '{ "path": "/srv/o" }'
declared inner '{ "path": "/srv/o/in/side" }'
declared hand '{ "path": "/srv/hand" }'
declared fstab '{ "path": "/srv/fstab" }'
db='/srv/db dir%1' unit=$(systemd-escape -p --suffix=mount "/srv/db dir%1")
cat >/etc/systemd/system/srv-hand.mount <<UNIT
[Mount]
What=tmpfs
Type=tmpfs
Where=/srv/hand
UNIT
echo "tmpfs /srv/fstab tmpfs noauto 0 0" >>/etc/fstab
# As systemd's own generator makes it, which does not run here.
mkdir -p /usr/local/lib/systemd/system-generators
cat >/usr/local/lib/systemd/system-generators/fstab <<'SCRIPT'
#!/bin/sh
printf '[Mount]\nWhat=tmpfs\nType=tmpfs\nWhere=/srv/fstab\n' >"$1/srv-fstab.mount"
SCRIPT
chmod 755 /usr/local/lib/systemd/system-generators/fstab
# A service that writes to the file system until it is told to stop, and then once more.
cat >$work/writer <<'SCRIPT'
#!/bin/bash
cd "$1" || exit
trap 'sleep 2; echo last >last; sync last; exit 0' TERM
while echo x >>log; do sync -d log; sleep 0.05; done
SCRIPT
chmod 755 $work/writer
cat >/etc/systemd/system/writer.service <<UNIT
[Unit]
RequiresMountsFor="/srv/db dir%%1"
[Service]
ExecStart=$work/writer "/srv/db dir%%1"
KillMode=mixed
UNIT
systemctl daemon-reload

say "what the generator has made"
check "units" 'srv-o-in-side.mount srv-o.mount' "$(cd /run/systemd/generator && echo srv-o*.mount)"
check "of a path with a blank and a percent sign" "$db" "$(property "$unit" Where)"
check "systemd-analyze verify" '' "$(systemd-analyze verify --man=no /run/systemd/generator/srv-o.mount 2>&1 | grep -v 'modprobe@\|^$')"
check "not where the administrator has one" tmpfs "$(property srv-hand.mount What)"
check "nor where fstab has a line" tmpfs "$(property srv-fstab.mount What)"

say "it starts with the device"
ends "start" 0 systemctl start nbdd.socket nbdd.service
within 30 "db is mounted" mounted '/srv/db\\040dir%1'
within 20 "nbdd sees it" eval '[ "$(runtime db .mount.mounted)" = true ]'
check "by systemd" "active /run/systemd/generator/$unit" "$(property "$unit" ActiveState) $(property "$unit" FragmentPath)"
matches "its options" noatime "$(findmnt -n -o OPTIONS "$db")"
check "fsck has repaired" clean "$(dumpe2fs -h $work/db.img 2>/dev/null | sed -n 's/^Filesystem state: *//p')"
within 20 "inner waits for outer" eval "nbdctl status inner | grep -q 'waits for /srv/o of the device outer'"
up outer
within 20 "outer is mounted" mounted /srv/o
within 20 "inner is mounted" mounted /srv/o/in/side
for name in hand fstab; do
  within 20 "$name is attached" in_state $name attached
  matches "why $name is not mounted" 'systemd has another unit' "$(nbdctl status $name)"
done

say "a reload makes and removes units"
declared late '{ "path": "/srv/late" }'
ends "reload" 0 systemctl reload nbdd.service
within 20 "late is mounted" mounted /srv/late
within 20 "late is attached" in_state late attached
check "by its unit" /run/systemd/generator/srv-late.mount "$(property srv-late.mount FragmentPath)"
ends "detach" 0 nbdctl detach late
rm $devices/late.json
ends "reload" 0 nbdctl reload
within 20 "its unit is gone" test ! -e /run/systemd/generator/srv-late.mount

say "a device that is attached by its URI"
up loose
ends "attach" 0 nbdctl attach "nbd+unix:///?socket=$work/loose.sock" --name loose --mount /srv/loose
check "its unit" "active infinity" "$(property srv-loose.mount ActiveState) $(property srv-loose.mount TimeoutUSec)"
check "as status knows" srv-loose.mount "$(runtime loose .mount.unit)"
matches "what status says of it" 'mount unit: srv-loose.mount: active \(mounted\)' "$(nbdctl status loose)"
matches "its order" 'nbdd.service' "$(property srv-loose.mount After)"
ends "detach" 0 nbdctl detach loose
check "it has gone" inactive "$(property srv-loose.mount ActiveState)"
ends "attach where the administrator has a unit" 1 nbdctl attach "nbd+unix:///?socket=$work/loose.sock" --name loose --mount /srv/hand
matches "why" 'systemd has another unit for /srv/hand' "$noted"
ends "detach" 0 nbdctl detach loose

say "a partition, and how long units wait for it"
end_server late
truncate -s 40M $work/parts.img
echo 'start=2048, size=32768
start=40960' | sfdisk -q $work/parts.img
mkfs.ext4 -q -F -E offset=$((40960 * 512)) $work/parts.img 16M
rm -f $work/late.sock
serve late --unix $work/late.sock file $work/parts.img
declared late '{ "path": "/srv/late", "partition": 2, "check": true, "deviceTimeout": "77s" }'
ends "reload" 0 systemctl reload nbdd.service
within 20 "late is mounted" mounted /srv/late
check "from" "$(runtime late .device)p2" "$(findmnt -n -o SOURCE /srv/late)"
check "its device's limit" '1min 17s' "$(property 'dev-disk-by\x2did-nbd\x2dlate\x2dpart2.device' JobRunningTimeoutUSec)"
ends "detach" 0 nbdctl detach late
declared late '{ "path": "/srv/late", "partition": 5 }'
ends "reload" 0 nbdctl reload
ends "attach" 1 nbdctl attach late
matches "what is missing" 'there is no partition /dev/nbd.*p5; the device has /dev/nbd.*p1, /dev/nbd.*p2' "$noted"
ends "detach" 0 nbdctl detach late
rm $devices/late.json
ends "reload" 0 nbdctl reload

say "a service that requires it"
ends "start" 0 systemctl start writer.service
sleep 1
ends "detach" 1 nbdctl detach db
matches "who is in the way" 'required by writer.service' "$noted"
holds "the service runs" active writer.service
pid=$(property writer.service MainPID) nbdd=$(property nbdd.service MainPID)
another() { [ "$(property nbdd.service MainPID)" != "$nbdd" ] && nbdctl status >/dev/null; }
ends "restart" 0 systemctl restart nbdd.service
within 20 "it is another process" another
within 20 "db is attached" in_state db attached
nbdd=$(property nbdd.service MainPID)
kill -KILL "$nbdd"
within 20 "it is another process" another
within 20 "db is attached" in_state db attached
check "the service through a restart and a crash" "$pid" "$(property writer.service MainPID)"
check "its mount" true "$(runtime db .mount.mounted)"

say "unmounted by hand, and attached again"
ends "stop inner's unit" 0 systemctl stop srv-o-in-side.mount
ends "attach" 0 nbdctl attach inner
holds "it is there" mounted /srv/o/in/side
ends "detach" 0 nbdctl detach inner
check "its unit" inactive "$(property srv-o-in-side.mount ActiveState)"
ends "attach" 0 nbdctl attach inner
holds "it is there again" mounted /srv/o/in/side

say "a file system that cannot be mounted"
ends "detach" 0 nbdctl detach inner
cp $work/inner.img $work/inner.good
dd if=/dev/zero of=$work/inner.img bs=64k count=1 conv=notrunc status=none
ends "attach" 1 nbdctl attach inner
matches "why" 'there is no file system on /dev/nbd' "$noted"
cp $work/inner.good $work/inner.img
ends "attach" 0 nbdctl attach inner

say "a stop takes everything down in order"
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
check "result" success "$(property nbdd.service Result)"
check "the service" inactive "$(property writer.service ActiveState)"
check "attached devices" '' "$(busy)"
check "mounts" '' "$(grep '^/dev/nbd' /proc/mounts)"
end_server db
ends "the file system is clean" 0 e2fsck -fn $work/db.img
check "the last write" last "$(debugfs -R 'cat last' $work/db.img 2>/dev/null)"
[ $failures = 0 ] || { journalctl -b --no-pager -n 100; }
finish
