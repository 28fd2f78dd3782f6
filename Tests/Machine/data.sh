#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What reaches the server is what was written: partitions, the declared mount, read-only, block sizes, queue settings.
. "$(dirname "$0")/common.sh"

queue() { cat "/sys/block/$1/queue/$2"; }

say "partitions are there when attach answers"
image parts 64M
printf 'label: gpt\nsize=16MiB\nsize=24MiB\n' | sfdisk -q $work/parts.img
serve parts --port 10810 file $work/parts.img
image plain 256M
serve plain --unix $work/plain.sock file $work/plain.img
device parts '{ "uri": "nbd://127.0.0.1:10810/", "autoAttach": false }'
device web "{ \"uri\": \"nbd+unix:///?socket=$work/plain.sock\", \"mount\": { \"path\": \"$work/web\", \"type\": \"ext4\" } }"
start_nbdd
ends "attach" 0 nbdctl attach parts
path=$said name=${path#/dev/}
check "partitions in the status" "${path}p1 ${path}p2" "$(runtime parts '.partitions | join(" ")')"
holds "node of partition 2" test -b "${path}p2"
check "size of partition 2" 49152 "$(cat "/sys/block/$name/${name}p2/size" 2>/dev/null)"
check "scheduler" none "$(queue "$name" scheduler | grep -o '\[.*\]' | tr -d '[]')"
mkfs.ext4 -q "${path}p2"
ends "detach" 0 nbdctl detach parts
check "partitions after detach" null "$(runtime parts .partitions)"

say "a declared mount without a file system, then with one"
within 20 "web is attached" in_state web attached
path=$(runtime web .device)
check "mounted without a file system" false "$(runtime web .mount.mounted)"
check "stage of the failure" mount "$(runtime web .mount.failure.stage)"
matches "what is there" "^there is no file system on $path \\(mount: .*dmesg" "$(runtime web .mount.failure.message)"
ends "a mount of what has partitions" 1 nbdctl attach nbd://127.0.0.1:10810/table --name table --mount $work/table
matches "what is there" 'has a partition table \(gpt\) and no file system of its own' "$noted"
ends "detach" 0 nbdctl detach table
for name in web "$path" "${path#/dev/}" $work/web; do ends "status of $name without its mount" 3 nbdctl status "$name"; done
holds "mkfs" mkfs.ext4 -q "$path"
ends "attach again mounts" 0 nbdctl attach web
check "path printed" "$path" "$said"
holds "mounted" mounted $work/web
for name in web "$path" "${path#/dev/}" $work/web/; do
  ends "status of $name" 0 nbdctl status "$name"
  matches "it is that device" 'name: web$' "$said"
done
check "status says so" true "$(runtime web .mount.mounted)"

say "checksums over detach and attach"
dd if=/dev/urandom of=$work/web/large bs=1M count=48 status=none
for index in {1..40}; do head -c $((RANDOM + 1)) /dev/urandom >"$work/web/small$index"; done
(cd $work/web && sha256sum large small*) >$work/sums
ends "detach" 0 nbdctl detach web
check "mounts" '' "$(grep nbd /proc/mounts)"
check "attached devices" '' "$(busy)"
holds "the server's image is a clean file system" e2fsck -fn $work/plain.img
ends "attach" 0 nbdctl attach web
holds "checksums" bash -c "cd $work/web && sha256sum --quiet -c $work/sums"

say "the server has what was written to the device"
ends "attach" 0 nbdctl attach parts
path=$said
dd if=/dev/urandom of=$work/pattern bs=1M count=8 status=none
dd if=$work/pattern of="${path}p1" bs=1M conv=fsync status=none
ends "detach" 0 nbdctl detach parts
check "bytes in the image" "$(sha256sum <$work/pattern)" "$(dd if=$work/parts.img bs=1M skip=1 count=8 status=none | sha256sum)"

say "read-only, by the server and by choice"
serve frozen --port 10811 --readonly file $work/parts.img
ends "attach a read-only export" 0 nbdctl attach nbd://127.0.0.1:10811/ --name frozen
path=$said
check "kernel's read-only flag" 1 "$(cat "/sys/block/${path#/dev/}/ro")"
ends "writing is refused" 1 dd if=/dev/zero of="$path" bs=4k count=1 oflag=direct
holds "reading works" dd if="$path" of=/dev/null bs=1M count=1 iflag=direct
ends "detach" 0 nbdctl detach frozen
ends "attach a writable export read-only" 0 nbdctl attach nbd://127.0.0.1:10810/ --name careful --read-only
path=$said
check "kernel's read-only flag" 1 "$(cat "/sys/block/${path#/dev/}/ro")"
ends "detach by path" 0 nbdctl detach "$path"

say "block sizes and the largest request"
serve blocks --port 10812 --filter=blocksize-policy memory 64M blocksize-minimum=4096 blocksize-preferred=4096 \
  blocksize-maximum=64K blocksize-error-policy=error
ends "attach" 0 nbdctl attach nbd://127.0.0.1:10812/ --name blocks
path=$said name=${path#/dev/}
check "logical block size" 4096 "$(queue "$name" logical_block_size)"
check "largest request in KiB" 64 "$(queue "$name" max_sectors_kb)"
check "in the status" '4096 4096 65536' \
  "$(runtime blocks '.export | "\(.minimumBlockBytes) \(.preferredBlockBytes) \(.maximumPayloadBytes)"')"
dd if=$work/pattern of="$path" bs=4M oflag=direct status=none
check "large direct writes arrive" "$(sha256sum <$work/pattern)" "$(dd if="$path" bs=4M count=2 iflag=direct status=none | sha256sum)"
printf 'nbdd' | dd of="$path" bs=1 seek=5000 conv=fsync status=none
check "a write of four bytes arrives" nbdd "$(dd if="$path" bs=1 skip=5000 count=4 status=none)"

say "nbdctl read writes a device in place, if there is room and nobody uses it"
ends "a copy" 0 nbdctl read nbd://127.0.0.1:10810/ --length 8MiB --output "$path"
check "the device's bytes" "$(head -c 8M $work/parts.img | sha256sum)" \
  "$(dd if="$path" bs=4M count=2 iflag=direct status=none | sha256sum)"
holds "it is a device still" test -b "$path"
ends "too much for it" 1 nbdctl read "nbd+unix:///?socket=$work/plain.sock" --output "$path"
ends "a mounted one" 1 nbdctl read nbd://127.0.0.1:10810/ --length 8MiB --output "$(runtime web .device)"
matches "why" "$(runtime web .device): open: Device or resource busy" "$noted"
ends "detach" 0 nbdctl detach blocks

say "a size that is no multiple of 512"
serve odd --port 10813 memory 1049000
ends "attach" 0 nbdctl attach nbd://127.0.0.1:10813/ --name odd
check "kernel's size in sectors" 2048 "$(cat "/sys/block/${said#/dev/}/size")"
check "size in the status" 1049000 "$(runtime odd .export.sizeBytes)"
check "what is out of reach" 424 "$(runtime odd .export.unreachableBytes)"
ends "status" 0 nbdctl status odd
matches "it says so" 'note: +the last 424 bytes of the export cannot be accessed: its size is 1049000 bytes' "$said"
check "the log says so once" 1 "$(grep -c 'odd: the last 424 bytes' $work/nbdd.log)"
ends "detach" 0 nbdctl detach odd

say "another server, by export name over TCP"
qemu-nbd --fork --persistent --format=raw --export-name=vm/disk --port=10814 --pid-file=$work/qemu.pid $work/parts.img
ends "attach" 0 nbdctl attach nbd://localhost:10814/vm/disk --name qemu
check "export" vm/disk "$(runtime qemu .export.name)"
check "bytes" "$(sha256sum <$work/pattern)" "$(dd if="${said}p1" bs=1M count=8 status=none | sha256sum)"
ends "detach" 0 nbdctl detach qemu

say "what one user of a device has set does not stay for the next"
settings() { for name in scheduler rotational max_sectors_kb io_timeout read_ahead_kb nomerges nr_requests; do
  echo "$name $(cat /sys/block/nbd9/queue/$name)"; done; }
found=$(settings)
nine() { ends "attach" 0 nbdctl attach nbd://127.0.0.1:10812/nine --name nine --device nbd9; }
nine
during=$(settings)
check "no scheduler" '[none]' "$(grep -o '\[.*\]' <<<"$during")"
for value in read_ahead_kb=8 nomerges=2 nr_requests=4 max_sectors_kb=4 io_timeout=1000; do
  echo "${value#*=}" >/sys/block/nbd9/queue/"${value%=*}"
done
blockdev --setro /dev/nbd9
check "it is read-only now" 1 "$(blockdev --getro /dev/nbd9)"
ends "detach" 0 nbdctl detach nine
check "as it was found" "$found" "$(settings)"
check "for who comes next it is not read-only" 0 "$(blockdev --getro /dev/nbd9)"
# As left by another program; a program that died could not restore anything.
for value in read_ahead_kb=8 nomerges=2; do echo "${value#*=}" >/sys/block/nbd9/queue/"${value%=*}"; done
blockdev --setro /dev/nbd9
nine
check "as at the first attach" "$during" "$(settings)"
holds "it can be written" dd if=/dev/zero of=/dev/nbd9 bs=64k count=1 oflag=direct status=none
ends "detach" 0 nbdctl detach nine

say "a healthy file system of another program stays where it is"
ends "detach" 0 nbdctl detach web
image foreign 32M
mkfs.ext4 -q $work/foreign.img
serve foreign --port 10815 file $work/foreign.img
# By netlink, and therefore without a process.
nbd-client -N '' 127.0.0.1 10815 /dev/nbd10 >$work/nbd-client.log 2>&1
within 10 "nbd-client has nbd10" test -e /sys/block/nbd10/pid
holds "by netlink" test -e /sys/block/nbd10/backend
check "its process has gone" '' "$(cat "/proc/$(cat /sys/block/nbd10/pid)/comm" 2>/dev/null)"
mount /dev/nbd10 $work/web
cp $work/sums $work/web/theirs
ends "attach" 1 nbdctl attach web
matches "it says whose it is" "/dev/nbd10 \(attached by another program, by netlink.*\) is mounted at $work/web already; unmount it" "$noted"
check "it is still there" /dev/nbd10 "$(findmnt -n -o SOURCE $work/web)"
holds "and works" cmp $work/sums $work/web/theirs
umount $work/web
nbd-client -d /dev/nbd10 >/dev/null
ends "attach" 0 nbdctl attach web
check "mounted" "$said" "$(findmnt -n -o SOURCE $work/web)"
quiet_kernel

say "what a killed nbdd has left is known as its own"
stop_nbdd
start_nbdd --no-keeper
within 20 "web is mounted" mounted $work/web
kernel_errors_expected=1  # the kernel drops the devices of a process that dies
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
left=$(findmnt -n -o SOURCE $work/web)
start_nbdd
within 20 "web is attached" in_state web attached
within 20 "it is mounted" mounted $work/web
check "once" 1 "$(findmnt -n -o SOURCE $work/web | wc -l)"
[ "$(findmnt -n -o SOURCE $work/web)" != "$left" ] || failed "the device" "another than $left" "$left"
holds "checksums" bash -c "cd $work/web && sha256sum --quiet -c $work/sums"
stop_nbdd

say "a driver that was told to make no partitions, and one without devices"
modprobe -r nbd && modprobe nbd max_part=0
start_nbdd
ends "attach" 0 nbdctl attach parts
check "partitions" '[]' "$(runtime parts '.partitions | tojson')"
matches "it says why" 'there is a partition table, but the nbd driver was loaded with max_part=0' "$(runtime parts '.notes | tojson')"
matches "so does the log" 'parts: there is a partition table' "$(cat $work/nbdd.log)"
check "what has none is no reason to complain" null "$(runtime web .notes)"
stop_nbdd
modprobe -r nbd && modprobe nbd nbds_max=0
start_nbdd
ends "attach" 1 nbdctl attach parts
matches "it says why" 'the nbd driver is loaded, but without devices \(nbds_max=0\); load it again' "$noted"
finish
