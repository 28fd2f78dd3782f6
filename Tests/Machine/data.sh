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
holds "mkfs" mkfs.ext4 -q "$path"
ends "attach again mounts" 0 nbdctl attach web
check "path printed" "$path" "$said"
holds "mounted" mounted $work/web
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
ends "detach" 0 nbdctl detach blocks

say "a size that is no multiple of 512"
serve odd --port 10813 memory 1049000
ends "attach" 0 nbdctl attach nbd://127.0.0.1:10813/ --name odd
check "kernel's size in sectors" 2048 "$(cat "/sys/block/${said#/dev/}/size")"
check "size in the status" 1049000 "$(runtime odd .export.sizeBytes)"
ends "detach" 0 nbdctl detach odd

say "another server, by export name over TCP"
qemu-nbd --fork --persistent --format=raw --export-name=vm/disk --port=10814 --pid-file=$work/qemu.pid $work/parts.img
ends "attach" 0 nbdctl attach nbd://localhost:10814/vm/disk --name qemu
check "export" vm/disk "$(runtime qemu .export.name)"
check "bytes" "$(sha256sum <$work/pattern)" "$(dd if="${said}p1" bs=1M count=8 status=none | sha256sum)"
ends "detach" 0 nbdctl detach qemu
finish
