#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What people put on a device: ext4, xfs and btrfs, mounted by nbdd, and LUKS, LVM and RAID 1, set up by hand. For each:
# work on files through an outage and a crash of nbdd, a detach that says who is in the way, one that goes through, and a
# stop; every file has its bytes afterwards. Prints a table.
# on-kernel: --udev --memory 1536
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"
for tool in cryptsetup lvm mdadm mkfs.xfs mkfs.btrfs; do command -v $tool >/dev/null || skip "$tool is missing"; done
for module in dm-mod dm-crypt xts raid1 xfs btrfs; do modprobe $module || skip "this kernel has no $module"; done

# kind: the exports that it is made of.
declare -A parts=([ext4]=ext4 [xfs]=xfs [btrfs]=btrfs [luks]=luks [lvm]='lvm1 lvm2' [md]='md1 md2')
kinds=(ext4 xfs btrfs luks lvm md)
declare -A row
up() { rm -f $work/"$1".sock; serve "$1" --unix $work/"$1".sock file $work/"$1".img; }
node() { echo "/dev/disk/by-id/nbd-$1"; }
# put KIND: makes what is on the device, the first time, and mounts it; removed KIND: takes it away again.
put() {
  case $1 in
    luks)
      [ -e $work/made.luks ] || holds "luksFormat" \
        cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$(node luks)" $work/key
      holds "open" cryptsetup open --key-file $work/key "$(node luks)" secret
      on_top luks /dev/mapper/secret ;;
    lvm)
      if [ ! -e $work/made.lvm ]; then
        holds "vgcreate" vgcreate -q group "$(node lvm1)" "$(node lvm2)"
        holds "lvcreate" lvcreate -q -i 2 -l 100%FREE -n volume group
      else holds "vgchange" vgchange -q -ay group; fi
      on_top lvm /dev/group/volume ;;
    md)
      # When all parts are there, the distribution's rules for udev assemble it.
      [ -e $work/made.md ] || holds "mdadm --create" mdadm --create /dev/md/array --homehost=any --run --level=1 \
        --raid-devices=2 --assume-clean --bitmap=none --metadata=1.2 "$(node md1)" "$(node md2)"
      within 20 "md is assembled" test -e /dev/md/array
      on_top md /dev/md/array ;;
    *) within 20 "$1 is mounted" mounted $work/on/"$1" ;;
  esac
}
on_top() {
  mkdir -p $work/on/"$1"
  [ -e $work/made."$1" ] || mkfs.ext4 -q -F "$2" || failed "mkfs.ext4 on $1" success failure
  touch $work/made."$1"
  holds "mount $1" mount "$2" $work/on/"$1"
}
removed() {
  case $1 in
    luks) holds "umount" umount $work/on/luks; holds "close" cryptsetup close secret ;;
    lvm) holds "umount" umount $work/on/lvm; holds "vgchange" vgchange -q -an group ;;
    md) holds "umount" umount $work/on/md; holds "mdadm --stop" mdadm --stop /dev/md/array ;;
  esac
}

install -D -m 644 "$tree/systemd/61-nbdd.rules" /etc/udev/rules.d/61-nbdd.rules
udevadm control --reload
dd if=/dev/urandom of=$work/key bs=64 count=1 status=none
for kind in "${kinds[@]}"; do
  for part in ${parts[$kind]}; do
    mount=
    case $kind in
      ext4) image "$part" 48M; mkfs.ext4 -q -F $work/"$part".img ;;
      xfs) image "$part" 320M; mkfs.xfs -q $work/"$part".img ;;
      btrfs) image "$part" 128M; mkfs.btrfs -q $work/"$part".img ;;
      *) image "$part" 48M ;;
    esac
    case $kind in ext4 | xfs | btrfs) mount=", \"mount\": { \"path\": \"$work/on/$kind\" }" ;; esac
    up "$part"
    device "$part" "{ \"uri\": \"nbd+unix:///?socket=$work/$part.sock\"$mount, \"reconnectDelay\": \"500ms\" }"
  done
done
start_nbdd
for kind in "${kinds[@]}"; do
  for part in ${parts[$kind]}; do
    within 20 "$part is attached" in_state "$part" attached
    within 10 "link of $part" test -e "$(node "$part")"
  done
  put "$kind"
  row[$kind]=attach
done

say "work through an outage of all servers and a crash of nbdd"
for kind in "${kinds[@]}"; do files_begin "$kind" $work/on/"$kind"; done
sleep 2
for part in ${parts[*]}; do end_server "$part" KILL; done
sleep 3
for part in ${parts[*]}; do up "$part"; done
for part in ${parts[*]}; do within 20 "$part is back" in_state "$part" attached; done
sleep 2
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
start_nbdd
for part in ${parts[*]}; do within 20 "$part is kept" in_state "$part" attached; done
sleep 2
for kind in "${kinds[@]}"; do
  before=$failures
  files_end "$kind"
  files_right "$kind" $work/on/"$kind"
  [ $failures != "$before" ] || row[$kind]+=', outage, crash'
done
quiet_kernel

say "a detach names what is in the way, and takes nothing away"
for kind in "${kinds[@]}"; do
  before=$failures
  case $kind in
    luks) what='part of secret' ;;
    lvm) what='part of group-volume' ;;
    md) what='part of md[0-9]+' ;;
    *) what="sleep \(pid"; (cd $work/on/"$kind" && exec sleep 600) & holder=$! ;;
  esac
  for part in ${parts[$kind]}; do
    ends "detach $part" 1 nbdctl detach "$part"
    matches "who holds $part" "$what" "$noted"
    check "$part stays" attached "$(runtime "$part" .state)"
  done
  holds "$kind is mounted" mounted $work/on/"$kind"
  case $kind in luks | lvm | md) ;; *) kill $holder; wait $holder 2>/dev/null ;; esac
  removed "$kind"
  for part in ${parts[$kind]}; do ends "detach $part" 0 nbdctl detach "$part"; done
  for part in ${parts[$kind]}; do
    holds "no link of $part" test ! -e "$(node "$part")"
    ends "attach $part" 0 nbdctl attach "$part"
    holds "its link is there when attach returns" test -e "$(node "$part")"
  done
  put "$kind"
  files_right "$kind" $work/on/"$kind"
  [ $failures != "$before" ] || row[$kind]+=', detach'
done
quiet_kernel

say "a stop: what nbdd has mounted is written back, what is stacked has been synced"
for kind in "${kinds[@]}"; do
  (cd $work/on/"$kind" && head -c 2M /dev/urandom >last && sha256sum last >$work/"$kind".last)
  case $kind in ext4 | xfs | btrfs) ;; *) sync -f $work/on/"$kind"/last; removed "$kind" ;; esac
done
stop_nbdd
start_nbdd
for kind in "${kinds[@]}"; do
  before=$failures
  for part in ${parts[$kind]}; do
    within 20 "$part is attached" in_state "$part" attached
    within 10 "link of $part" test -e "$(node "$part")"
  done
  put "$kind"
  files_right "$kind" $work/on/"$kind"
  holds "the last file on $kind" bash -c "cd $work/on/$kind && sha256sum --quiet -c $work/$kind.last"
  [ $failures != "$before" ] || row[$kind]+=', stop'
done
for kind in luks lvm md; do removed $kind; done
for kind in "${kinds[@]}"; do figure "$kind: ${row[$kind]}"; done
finish
