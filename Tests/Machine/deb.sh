#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# The Debian package: installed as README says until a device is attached, upgraded under verified load without an I/O error,
# removed, and purged without a trace.
# on-kernel: --systemd --memory 1536
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
. "$(dirname "$0")/loads.sh"
packages=("$tree"/.build/deb/*.deb)
[ ${#packages[@]} = 2 ] || skip "there are no two packages in .build/deb: Tests/check makes them"
command -v debconf-show >/dev/null || skip "this is no Debian"
property() { systemctl show "${2:-nbdd.service}" --property="$1" --value; }
# What there is of nbdd: its files, its configuration, links that enable it, the group.
trace() {
  dpkg-deb --fsys-tarfile "${packages[1]}" | tar -t | grep -v '/$' | while read -r path; do [ ! -e "/${path#./}" ] || echo "/${path#./}"; done
  find /etc/nbdd /etc/systemd/system /var/lib/systemd -name '*nbdd*' 2>/dev/null
  getent group nbdd
}

# The distribution's generators do not run here; nbdd's does.
mkdir -p /usr/local/lib/systemd/system-generators
ln -s /lib/systemd/system-generators/nbdd-generator /usr/local/lib/systemd/system-generators/nbdd-generator
groupdel nbdd 2>/dev/null
check "what there is of nbdd before" '' "$(trace)"

# It would read all manuals, and the kernel keeps each file of this machine open.
rm -f /var/lib/man-db/auto-update
# Containers forbid packages to start services.
rm -f /usr/sbin/policy-rc.d

say "installed"
began=$(now)
ends "dpkg -i" 0 dpkg -i "${packages[0]}"
check "nbdd" active "$(property ActiveState)"
check "at boot" enabled "$(systemctl is-enabled nbdd.service)"
image raw 64M
image tree 64M
mkfs.ext4 -q $work/tree.img
serve raw --unix $work/raw.sock file $work/raw.img
serve tree --unix $work/tree.sock file $work/tree.img
echo "{ \"uri\": \"nbd+unix:///?socket=$work/raw.sock\" }" >/etc/nbdd/devices.d/raw.json
echo "{ \"uri\": \"nbd+unix:///?socket=$work/tree.sock\", \"mount\": { \"path\": \"/srv/tree\" } }" >/etc/nbdd/devices.d/tree.json
ends "reload" 0 nbdctl reload
within 20 "tree is mounted" mounted /srv/tree
figure "from dpkg -i to the first mounted device: $(seconds $(($(now) - began))) s"
within 20 "raw is attached" in_state raw attached
holds "its name" test -e /dev/disk/by-id/nbd-raw

say "upgraded under load"
fio_begin raw "$(runtime raw .device)" "${writing[@]}"
files_begin tree /srv/tree
under_way raw; under_way tree
pid=$(property MainPID) keeper=$(property MainPID nbdd-keeper.service) thread=$(runtime raw .thread)
ends "dpkg -i" 0 dpkg -i "${packages[1]}"
check "version" "$(dpkg-deb -f "${packages[1]}" Version)" "$(dpkg-query -W -f '${Version}' nbdd)"
[ "$(property MainPID)" != "$pid" ] || failed "nbdd" "another process" "$pid"
check "the keeper" "$keeper" "$(property MainPID nbdd-keeper.service)"
within 20 "raw is attached" in_state raw attached
check "its thread" "$thread" "$(runtime raw .thread)"
under_way raw; under_way tree
fio_end raw
files_end tree
files_right tree /srv/tree
figure "an upgrade under load: $ios verified I/Os, none failed; the last pause of raw: $(runtime raw .lastPauseMSec) ms"
quiet_kernel

say "removed, and purged"
ends "dpkg -r" 0 dpkg -r nbdd
check "attached devices" '' "$(busy)"
check "mounts" '' "$(grep '^/dev/nbd' /proc/mounts)"
holds "the configuration is still there" test -e /etc/nbdd/devices.d/tree.json
within 20 "the keeper has ended" eval '[ -z "$(keeper)" ]'
ends "the file system is clean" 0 e2fsck -fn $work/tree.img
ends "dpkg -P" 0 dpkg -P nbdd
check "what is left" '' "$(trace)"
check "units that failed" '' "$(systemctl list-units --failed --no-legend 'nbdd*')"
[ $failures = 0 ] || journalctl -b --no-pager -n 80
finish
