#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# A device in use is not taken away, foreign devices are left alone, and udev's opening of devices does no harm.
# on-kernel: --udev
. "$(dirname "$0")/common.sh"

image parts 64M
printf 'label: gpt\nsize=32MiB\n' | sfdisk -q $work/parts.img
serve parts --port 10809 file $work/parts.img
serve other --unix $work/other.sock memory 64M
device disk '{ "uri": "nbd://127.0.0.1/" }'
start_nbdd
within 20 "disk is attached" in_state disk attached
path=$(runtime disk .device)
# refused WHO: detach fails and names the holder of the device, and the device continues to work.
refused() {
  ends "detach while $1 holds it" 1 nbdctl detach disk
  matches "the holder is named" "$1" "$noted"
  check "state" attached "$(runtime disk .state)"
  holds "it still reads" dd if="$path" of=/dev/null bs=64k count=1 iflag=direct
}

say "mounted by hand"
mkdir -p $work/hand
mkfs.ext4 -q "${path}p1"
mount "${path}p1" $work/hand
refused $work/hand
umount $work/hand

say "held by the device mapper"
if modprobe dm-mod 2>/dev/null && dmsetup create data-backup --table "0 2048 linear $path 0" 2>/dev/null; then
  ends "detach of what the device mapper holds" 1 nbdctl detach disk
  matches "it is named as LVM and cryptsetup name it" 'part of data-backup \(dm-[0-9]+\)' "$noted"
  dmsetup remove --retry data-backup
else
  echo "no device mapper here: not tried"
fi

say "open in a plain process"
sleep 1000 <"$path" &
holder=$!
refused "sleep.*$holder|$holder.*sleep"
kill $holder; wait $holder 2>/dev/null
ends "detach when nobody holds it" 0 nbdctl detach disk
check "attached devices" '' "$(busy)"
quiet_kernel

say "the same kernel device twice"
ends "attach to nbd7" 0 nbdctl attach nbd://127.0.0.1/ --name first --device nbd7
check "device" /dev/nbd7 "$said"
ends "second attach to nbd7" 1 nbdctl attach "nbd+unix:///?socket=$work/other.sock" --name second --device /dev/nbd7
matches "reason" 'nbd7' "$noted"
check "the first is untouched" attached "$(runtime first .state)"
holds "it still reads" dd if=/dev/nbd7 of=/dev/null bs=64k count=1 iflag=direct
ends "detach" 0 nbdctl detach first

say "held by another program"
nbd-client -N '' -L -unix $work/other.sock /dev/nbd5 >$work/nbd-client.log 2>&1
within 10 "nbd-client has nbd5" test -e /sys/block/nbd5/pid
foreign=$(cat /sys/block/nbd5/pid)
ends "attach to its device" 1 nbdctl attach nbd://127.0.0.1/ --name intruder --device nbd5
matches "the other program is named" "nbd-client|$foreign" "$noted"
ends "detach of its device" 4 nbdctl detach /dev/nbd5
matches "whose it is" "/dev/nbd5 is not attached by nbdd; it is attached by nbd-client \($foreign\)" "$noted"
check "it is untouched" "$foreign" "$(cat /sys/block/nbd5/pid)"
holds "it still reads" dd if=/dev/nbd5 of=/dev/null bs=64k count=1 iflag=direct
for _ in 1 2 3 4 5 6; do
  ends "a free device is chosen" 0 nbdctl attach nbd://127.0.0.1/ --name any
  [ "$said" != /dev/nbd5 ] || failed "free device" "not nbd5" "$said"
  ends "detach" 0 nbdctl detach any
done
nbd-client -d /dev/nbd5 >/dev/null
nbd-client -N '' -unix $work/other.sock /dev/nbd6 >>$work/nbd-client.log 2>&1
within 10 "nbd-client has nbd6" test -e /sys/block/nbd6/pid
ends "detach of what netlink has attached" 4 nbdctl detach /dev/nbd6
matches "whose it is" 'it is attached by another program, by netlink' "$noted"
nbd-client -d /dev/nbd6 >/dev/null

say "50 rounds while udev opens the device"
pgrep -x systemd-udevd >/dev/null || pgrep -f systemd-udevd >/dev/null || failed "udev" running "not running"
started=$(now)
for round in {1..50}; do
  ends "attach, round $round" 0 nbdctl attach disk
  [ $((round % 2)) = 0 ] || udevadm settle
  ends "detach, round $round" 0 nbdctl detach disk
done
figure "50 rounds with udev in $(seconds $(($(now) - started))) s"
udevadm settle
check "attached devices" '' "$(busy)"
# A detach may come while udev is reading: that read fails, and nothing else may.
reads='Buffer I/O error .* async page read|I/O error, .*\(READ\)'
figure "reads of udev that a detach cut off: $(complaints | grep -Ec 'async page read')"
check "other errors in the kernel log" '' "$(complaints | grep -Ev "$reads")"
dmesg -C

say "--force takes it away from its holders, and says from whom"
kernel_errors_expected=1
ends "attach" 0 nbdctl attach disk
path=$said
mount "${path}p1" $work/hand
sleep 1000 <$work/hand &
holder=$!
ends "detach --force" 0 nbdctl detach disk --force
matches "notes name the mount" "$work/hand" "$noted"
check "state" detached "$(runtime disk .state)"
kill $holder; wait $holder 2>/dev/null
umount -l $work/hand
ends "attach after that" 0 nbdctl attach disk --wait 20s
finish
