#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# nbdd as a service: installed by `make install`, run by a real systemd.
# on-kernel: --systemd
. "$(dirname "$0")/common.sh"

unset NBDD_SOCKET
property() { systemctl show nbdd.service --property="$1" --value; }
service_is() { [ "$(property ActiveState)" = "$1" ]; }

say "make install"
make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
# From here on the installed programs.
PATH=/usr/local/sbin:/usr/local/bin:$PATH
hash -r
for file in sbin/nbdd sbin/nbdd-keeper bin/nbdctl lib/systemd/system/nbdd{,-keeper}.{service,socket} \
  lib/systemd/system/nbdd-devices.target lib/udev/rules.d/61-nbdd.rules lib/sysusers.d/nbdd.conf \
  share/doc/nbdd/examples/nbdd.json; do
  holds "installed: $file" test -e /usr/local/$file
done
check "what is run" /usr/local/bin/nbdctl "$(command -v nbdctl)"
systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
holds "group nbdd" getent group nbdd
systemctl daemon-reload
check "systemd-analyze verify" '' "$(systemd-analyze verify nbdd{,-keeper}.{service,socket} 2>&1 | grep -i nbdd)"

# File systems of every kind, for what mount(8) and fsck(8) do under the unit's restrictions; ext4 wants to be repaired.
mkdir $work/disks
disk() { truncate -s "$2" $work/disks/"$1" && "${@:3}" $work/disks/"$1" >/dev/null 2>&1; holds "make $1" test $? = 0; }
disk disk 64M mkfs.ext4 -q
tune2fs -E force_fsck $work/disks/disk >/dev/null
disk xfs 320M mkfs.xfs -q
kinds=(xfs)
has() { [ -n "$(command -v "$1")" ] && kinds+=("$2") || figure "no $2: $1 is missing"; }
has mkfs.ntfs ntfs && disk ntfs 64M mkfs.ntfs -Q -F
serve disks --port 10809 file dir=$work/disks
serve raw --unix $work/raw.sock memory 64M
# A server of another user, to which no other user may connect, and one with TLS.
echo "user:$(openssl rand -hex 32)" >$work/key
serve secure --port 10810 --tls=require --tls-psk=$work/key memory 64M
chown nobody $work/raw.sock
chmod 600 $work/raw.sock $work/key
mkdir -p /etc/nbdd/devices.d
echo '{ "uri": "nbd://127.0.0.1/disk", "mount": { "path": "/srv/disk", "check": true }, "reconnectDelay": "2s" }' \
  >/etc/nbdd/devices.d/disk.json
for kind in "${kinds[@]}"; do
  echo "{ \"uri\": \"nbd://127.0.0.1/$kind\", \"mount\": { \"path\": \"/srv/$kind\", \"check\": true } }" \
    >/etc/nbdd/devices.d/$kind.json
done
echo "{ \"uri\": \"nbd+unix:///?socket=$work/raw.sock\" }" >/etc/nbdd/devices.d/raw.json
echo "{ \"uri\": \"nbds://user@127.0.0.1:10810/\", \"tlsPSKFile\": \"$work/key\" }" >/etc/nbdd/devices.d/secure.json
echo '{ "uri": "nbd://127.0.0.1:10999/" }' >/etc/nbdd/devices.d/away.json

say "the socket starts the service"
ends "start the socket" 0 systemctl start nbdd.socket
check "service before the first call" inactive "$(property ActiveState)"
check "rights of the socket" 'srw-rw---- root:nbdd' "$(stat -c '%A %U:%G' /run/nbdd/org.nbdd)"
ends "the first call" 0 nbdctl status
check "service after the first call" active "$(property ActiveState)"
holds "the module was loaded" test -d /sys/module/nbd
ends "stop" 0 systemctl stop nbdd.service
check "attached devices" '' "$(busy)"
ends "socket is still there" 0 test -S /run/nbdd/org.nbdd

say "start answers when the service is ready"
started=$(now)
ends "start" 0 systemctl start nbdd.service
figure "systemctl start took $(seconds $(($(now) - started))) s"
check "state" active/running "$(property ActiveState)/$(property SubState)"
ends "it answers at once" 0 nbdctl status
within 20 "disk is mounted" mounted /srv/disk
within 20 "raw is attached" in_state raw attached
within 20 "secure is attached" in_state secure attached
counted="Status: .*$((${#kinds[@]} + 3)) of $((${#kinds[@]} + 4))"
within 20 "the STATUS line counts" bash -c "systemctl status nbdd.service | grep -q '$counted'"
matches "and names what is not well" 'away' "$(property StatusText)"
text=$(property StatusText)
figure "STATUS: ${text:0:100}"
echo data >/srv/disk/file
sync /srv/disk/file
main=$(property MainPID)
[ "$main" -gt 1 ] || { failed "main process" "a process" "none"; finish; }

say "the restrictions"
status_of() { sed -n "s/^$1:[[:space:]]*//p" /proc/"$main"/status; }
check "mount namespace" "$(readlink /proc/1/ns/mnt)" "$(readlink /proc/"$main"/ns/mnt)"
check "no new privileges" 1 "$(status_of NoNewPrivs)"
check "system calls are filtered" 2 "$(status_of Seccomp)"
check "may not load modules, nor set the clock" 0 $((0x$(status_of CapBnd) & (1 << 16 | 1 << 25)))
holds "memory is locked" test "$(status_of VmLck | tr -dc 0-9)" -gt 0
check "allocations do not wait for devices" $((0x80000)) $(($(cut -d ' ' -f 9 /proc/"$main"/stat) & 0x80000))
check "who may be killed for memory: not nbdd" -1000 "$(cat /proc/"$main"/oom_score_adj)"
check "fsck has repaired" clean "$(dumpe2fs -h $work/disks/disk 2>/dev/null | sed -n 's/^Filesystem state: *//p')"
# It was not there when the service started.
[[ ${kinds[*]} != *ntfs* ]] || { modprobe fuse; ends "attach ntfs" 0 nbdctl attach ntfs; }
for kind in "${kinds[@]}"; do
  within 20 "$kind is mounted" mounted /srv/$kind
  ends "write to $kind" 0 dd if=/dev/zero of=/srv/$kind/file bs=1M count=4 conv=fsync status=none
done
(cd /srv/xfs && exec setpriv --reuid=nobody --clear-groups sleep 1000) &
holder=$!
within 5 "the holder is there" is sleep cat /proc/$holder/comm
refused=$(nbdctl detach xfs 2>&1)
matches "whose process holds a mount is told" "sleep \(pid $holder\)" "$refused"
kill $holder

say "what mount(8) and fsck(8) start with"
# A helper of mount(8) that says how it was started.
cat >/sbin/mount.probe <<'END'
#!/bin/sh
echo "$(cat /proc/self/oom_score_adj) $(($(cut -d ' ' -f 9 /proc/self/stat) & 0x80000))" >/run/probe
exec mount -i -t ext4 "$1" "$2"
END
chmod 755 /sbin/mount.probe
disk direct 64M mkfs.ext4 -q
serve direct --port 10811 file $work/disks/direct
echo '{ "uri": "nbd://127.0.0.1:10811/", "path": "direct", "mount": { "path": "/srv/direct", "type": "probe" } }' \
  >/etc/nbdd/devices.d/direct.json
ends "reload" 0 nbdctl reload
within 20 "it is mounted" mounted /srv/direct
check "not spared when memory is short, and no I/O flusher" "0 0" "$(cat /run/probe)"

say "a process whose name is meant for systemd"
# A process may give itself any name, and be in the way: it is named in the STATUS line.
(cd /srv/direct && exec setpriv --reuid=nobody --clear-groups $python -c 'import os, time
open("/proc/self/comm", "w").write("\rMAINPID=%d\r" % os.getpid())
time.sleep(1000)') &
holder=$!
within 5 "it has its name" grep -q MAINPID /proc/$holder/comm
kernel_errors_expected=1
end_server direct KILL  # a polite end waits for its client
told_to_systemd() { grep -Fq "$1" <<<"$(property StatusText)"; }
within 20 "the STATUS line names it" told_to_systemd "u{d}MAINPID=$holder" || figure "STATUS: $(property StatusText)"
check "the main process is nbdd" "$main" "$(property MainPID)"
matches "the holder on a terminal" 'u\{d\}MAINPID' "$(nbdctl status direct)"
check "nothing there that steers it" '' "$(nbdctl status direct | tr -d '\n -~')"
kill $holder; wait $holder 2>/dev/null
umount -l /srv/direct
ends "detach it" 0 nbdctl detach direct --force
rm /etc/nbdd/devices.d/direct.json
ends "reload without it" 0 nbdctl reload
ends "it is gone" 4 nbdctl status direct

say "reload"
ends "reload" 0 systemctl reload nbdd.service
echo '{ "urj": "nbd://127.0.0.1/" }' >/etc/nbdd/devices.d/new.json
ends "reload with a bad file" 1 systemctl reload nbdd.service
check "service" "active $main" "$(property ActiveState) $(property MainPID)"
ends "no new device" 4 nbdctl status new
check "disk" attached "$(runtime disk .state)"
matches "the journal has the place of the fault" 'new\.json:[0-9]+:[0-9]+' "$(journalctl -b --no-pager -u nbdd.service)"
rm /etc/nbdd/devices.d/new.json
echo "{ \"uri\": \"nbd+unix:///late?socket=$work/raw.sock\" }" >/etc/nbdd/devices.d/late.json
ends "reload with a new device" 0 systemctl reload nbdd.service
within 20 "it is attached" in_state late attached
rm /etc/nbdd/devices.d/late.json
kill -HUP "$main"
within 20 "SIGHUP reads too: the removed device is marked" bash -c '[ "$(nbdctl status late --json | jq .devices[0].runtime.pending)" = true ]'
ends "detach" 0 nbdctl detach late
matches "the journal has fields" '^(disk|raw)$' "$(journalctl -b -F NBD_DEVICE)"
journalctl --update-catalog
matches "and explains what happened" 'Network block device late is detached' "$(journalctl -b -x --no-pager NBD_DEVICE=late)"

say "killed"
before=$(runtime raw .device) thread=$(runtime raw .thread)
kill -KILL "$main"
restarted() { [ "$(property MainPID)" != "$main" ] && [ "$(property MainPID)" != 0 ] && service_is active; }
started=$(now)
within 20 "systemd starts it again" restarted
within 20 "raw is back" in_state raw attached
within 30 "disk is back" in_state disk attached
within 30 "disk is mounted" bash -c '[ "$(nbdctl status disk --json | jq .devices[0].runtime.mount.mounted)" = true ]'
figure "all back $(seconds $(($(now) - started))) s after SIGKILL"
check "raw is the same device, on the same thread" "$before $thread" "$(runtime raw .device) $(runtime raw .thread)"
check "restarts" 1 "$(runtime raw .restarts)"
check "its data" data "$(cat /srv/disk/file)"

if [ -n "$(command -v mkfs.btrfs)" ]; then
  say "Btrfs on two devices, mounted by the one that the kernel does not name"
  truncate -s 128M $work/disks/btrfs1 $work/disks/btrfs2
  ends "make it" 0 mkfs.btrfs -q $work/disks/btrfs1 $work/disks/btrfs2
  echo '{ "uri": "nbd://127.0.0.1/btrfs1" }' >/etc/nbdd/devices.d/btrfs1.json
  echo '{ "uri": "nbd://127.0.0.1/btrfs2", "autoAttach": false, "mount": { "path": "/srv/btrfs", "check": true } }' \
    >/etc/nbdd/devices.d/btrfs2.json
  ends "reload" 0 nbdctl reload
  within 20 "the first is attached" in_state btrfs1 attached
  udevadm settle  # so that the kernel knows the first
  ends "attach the second" 0 nbdctl attach btrfs2
  check "mounted" true "$(runtime btrfs2 .mount.mounted)"
  ends "write to Btrfs" 0 dd if=/dev/zero of=/srv/btrfs/file bs=1M count=4 conv=fsync status=none
  ends "detach the first" 1 nbdctl detach btrfs1
  matches "it is in use" 'mounted at /srv/btrfs' "$noted"
  ends "detach the second" 0 nbdctl detach btrfs2
  check "mounts" '' "$(grep ' btrfs ' /proc/mounts)"
  ends "detach the first" 0 nbdctl detach btrfs1
  rm /etc/nbdd/devices.d/btrfs?.json
fi

say "stop"
started=$(now)
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
figure "systemctl stop took $(seconds $(($(now) - started))) s"
check "result" success "$(property Result)"
check "attached devices" '' "$(busy)"
check "mounts" '' "$(grep '^/dev/nbd' /proc/mounts)"
holds "a clean file system on the server" e2fsck -fn $work/disks/disk
for kind in "${kinds[@]}"; do
  case $kind in
    xfs) ends "check of xfs" 0 xfs_repair -n $work/disks/xfs ;;
    ntfs) ends "check of ntfs" 0 ntfsfix --no-action $work/disks/ntfs ;;
  esac
done
ends "start once more" 0 systemctl start nbdd.socket
ends "the socket starts the service" 0 nbdctl status
within 20 "disk is attached" in_state disk attached
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
[ $failures = 0 ] || journalctl -b --no-pager -u nbdd.service -n 60
finish
