#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Declared mounts that nbdd makes itself: nested ones in their order, one that somebody has removed, a detach that is refused
# before anything is taken away, and users who get errors, but never write to the directory underneath.
. "$(dirname "$0")/common.sh"

for name in outer inner; do
  image $name 32M
  mkfs.ext4 -q -F $work/$name.img
done
up() { serve "$1" --unix $work/"$1".sock file $work/"$1".img; }
outer=$work/mnt inner=$work/mnt/in/side
device outer "{ \"uri\": \"nbd+unix:///?socket=$work/outer.sock\", \"mount\": { \"path\": \"$outer\" }, \"reconnectDelay\": \"1s\" }"
device inner "{ \"uri\": \"nbd+unix:///?socket=$work/inner.sock\", \"mount\": { \"path\": \"$inner\" } }"
at() { findmnt -n -o SOURCE --mountpoint "$1"; }

say "one below the other, whose server comes later"
up inner
start_nbdd
within 20 "inner is attached" in_state inner attached
within 10 "inner waits" eval "nbdctl status inner | grep -q 'waits for $outer of the device outer'"
check "it is not mounted on what will be covered" '' "$(at $inner)"
up outer
within 20 "outer is mounted" mounted $outer
within 20 "inner is mounted" mounted $inner
check "in it" "$(runtime inner .device)" "$(at $inner)"
check "nothing is missing" null "$(runtime inner .mountFailure)"
ends "outer is not detached before inner" 1 nbdctl detach outer
matches "why" "$inner is mounted in it" "$noted"
check "outer stays" "$(runtime outer .device)" "$(at $outer)"

say "removed by hand"
umount $inner
sleep 1
check "it stays away" '' "$(at $inner)"
ends "attach" 0 nbdctl attach inner
check "it is there again" "$(runtime inner .device)" "$(at $inner)"
ends "attach once more" 0 nbdctl attach inner

# held WHAT PATTERN: a detach is refused, names the holder, and the mount was there all the time.
held() {
  touch $work/watching
  (while [ -e $work/watching ]; do [ -e $inner/here ] || echo away; done >$work/away) &
  local watcher=$!
  ends "detach with $1" 1 nbdctl detach inner
  matches "the holder: $1" "$2" "$noted"
  rm $work/watching; wait $watcher
  check "away with $1" '' "$(head -n 1 $work/away)"
  check "state with $1" attached "$(runtime inner .state)"
}

say "a detach looks before it takes anything away"
touch $inner/here
mkdir $work/elsewhere
mount --bind $inner $work/elsewhere
held "a bind mount" "mounted at $work/elsewhere"
umount $work/elsewhere
unshare -m --propagation private sleep 600 &
sleeper=$!
within 5 "it has its own namespace" eval "[ \$(readlink /proc/$sleeper/ns/mnt) != \$(readlink /proc/self/ns/mnt) ]"
held "a mount namespace" "mounted at $inner in the mount namespace of sleep \(pid $sleeper\)"
kill $sleeper; wait $sleeper 2>/dev/null
mkdir $inner/low $work/{up,merge}
if mount -t overlay overlay -o lowerdir=$inner/low:$work/up $work/merge 2>/dev/null; then
  held "an overlay" "part of an overlay at $work/merge"
  umount $work/merge
else
  figure "overlays: not shown, this kernel has none"
fi
mount --make-shared $work/mnt; mount --make-shared $inner
unshare -m --propagation slave sleep 600 &
sleeper=$!
within 5 "it has its own namespace" eval "[ \$(readlink /proc/$sleeper/ns/mnt) != \$(readlink /proc/self/ns/mnt) ]"
ends "detach with a namespace that follows" 0 nbdctl detach inner
kill $sleeper; wait $sleeper 2>/dev/null

# A program that writes new files by their path until it gets an error; `written` then has the number of the last one.
writer() {
  rm -f $work/stopped
  (number=0
  while echo data 2>/dev/null >$outer/file.$number && sync -f $outer/file.$number 2>/dev/null; do
    number=$((number + 1))
    echo $number >$work/written
  done
  touch $work/stopped) 2>/dev/null &
  within 20 "files are written" eval "[ \$(cat $work/written) -gt 20 ]"
}
underneath() { find $outer -xdev -name 'file.*' | head -n 3; }

say "fsck that takes minutes"
for place in /sbin /usr/sbin; do [ ! -L $place ] && cp $place/fsck.ext4 $place/fsck.real && break; done
cat >$place/fsck.ext4 <<SCRIPT
#!/bin/sh
sleep $(("${NBD_SOAK:+200}" + 70))
exec $place/fsck.real "\$@"
SCRIPT
ends "detach" 0 nbdctl detach inner
echo "{ \"uri\": \"nbd+unix:///?socket=$work/inner.sock\", \"mount\": { \"path\": \"$inner\", \"check\": true } }" >$config/devices.d/inner.json
ends "reload" 0 nbdctl reload
began=$(now)
nbdctl attach inner --wait 10min >$work/attach 2>&1
check "attach, when fsck is done" 0 $?
holds "it is mounted" mounted $inner
took=$(($(now) - began))
figure "fsck that takes $((${NBD_SOAK:+200} + 70)) s: mounted after $(seconds $took) s"
[ $took -ge 70000 ] || failed "the time for fsck" "at least 70 s" "$took ms"
cp $place/fsck.real $place/fsck.ext4

say "a stop with a server that is gone, and a program that goes on writing"
kernel_errors_expected=1
echo '{ "stopTimeout": "3s" }' >$config/nbdd.json
ends "reload" 0 nbdctl reload
end_server inner
rm $config/devices.d/inner.json
writer
exec 8>$outer/held
end_server outer KILL
sleep 1
process=$daemon
kill -TERM "$process"
within 60 "nbdd ends" gone "$process"
wait "$process"; check "its exit status" 1 $?
daemon=
within 10 "the program has got an error" test -e $work/stopped
check "what it still has is the mount without its device" /dev/nbd "$(at $outer | tr -d 0-9)"
exec 8>&-
rm -f $work/outer.sock
up outer
start_nbdd
within 30 "it is mounted again" eval "[ \"\$(at $outer)\" = \"\$(runtime outer .device)\" ]"
umount $outer
check "written to the directory underneath" '' "$(underneath)"
ends "attach" 0 nbdctl attach outer

say "a detach by force, and a program in it"
exec 9>$outer/open
ends "detach" 0 nbdctl detach --force outer
within 10 "it is not mounted" eval "! mounted $outer"
echo late >&9
! sync $outer/open 2>/dev/null || failed "a late write" "an error" "success"
exec 9>&-
check "written to the directory underneath" '' "$(underneath)$(ls -A $outer)"
end_server outer
e2fsck -fp $work/outer.img >/dev/null
ends "the image is sound" 0 e2fsck -fn $work/outer.img
finish
