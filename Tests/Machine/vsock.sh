#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# The commands that talk to a server directly do so over vsock too: unencrypted and under TLS, and with clear
# errors where they fail.
. "$(dirname "$0")/common.sh"

modprobe vsock_loopback || skip "this kernel has no vsock_loopback"
cid=1  # this machine itself

say "an unencrypted server, one with a certificate, one with a key"
image disk 16M
for place in 0 5 9 15; do
  dd if=/dev/urandom of=$work/disk.img bs=64K count=9 seek=$((place * 16)) conv=notrunc status=none
done
truncate -s 16M $work/disk.img
mkdir $work/server $work/trust
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
# shellcheck disable=SC2086
{
  openssl req -x509 -days 2 -subj /CN=trust $key -keyout $work/trust.key -out $work/trust/ca-cert.pem
  openssl req -x509 -days 2 -subj /CN=server $key -CA $work/trust/ca-cert.pem -CAkey $work/trust.key \
    -addext subjectAltName=DNS:good.example -addext basicConstraints=critical,CA:FALSE \
    -keyout $work/server/server-key.pem -out $work/server/server-cert.pem
} 2>/dev/null
cp $work/trust/ca-cert.pem $work/server
printf 'nbdd:%064d\n' 5 >$work/key
printf 'nbdd:%064d\n' 7 >$work/otherkey
chmod 600 $work/key $work/otherkey
serve clear --vsock --port 10809 -r file $work/disk.img
serve certificate --vsock --port 10810 --tls=require --tls-certificates=$work/server -r file $work/disk.img
serve key --vsock --port 10811 --tls=require --tls-psk=$work/key -r file $work/disk.img

# compare ENCRYPTION URI OPTION...: every command works, and the bytes are the same.
compare() {
  local encryption=$1 uri=$2; shift 2
  ends "list $uri" 0 nbdctl list "$uri" "$@"
  ends "info $uri" 0 nbdctl info "$uri" --json "$@"
  check "info $uri" "$((16 << 20)) vsock" "$(jq -r '"\(.export.sizeBytes) \(.server | split(" ")[0])"' <<<"$said")"
  matches "encryption of $uri" "^$encryption" "$(jq -r '.encryption // "none"' <<<"$said")"
  ends "map $uri" 0 nbdctl map "$uri" --json "$@"
  check "map $uri" "$((16 << 20))" "$(jq '[.extents[].length] | add' <<<"$said")"
  check "data of $uri" "$(du -B1 $work/disk.img | cut -f1)" \
    "$(jq '[.extents[] | select(.state == "data").length] | add' <<<"$said")"
  ends "read $uri" 0 nbdctl read "$uri" --output $work/copy "$@"
  holds "bytes of $uri" cmp $work/copy $work/disk.img
}
say "all commands"
compare none nbd+vsock://$cid/
compare none nbd+vsock://$cid:10809/any
compare 'TLS 1.3' "nbds+vsock://$cid:10810/?tls-hostname=good.example" --tls-certificates $work/trust
compare 'TLS 1.3' nbds+vsock://$cid:10811/ --tls-psk-file $work/key

say "what fails, and why"
# fails STATUS WORDS URI OPTION...
fails() {
  local status=$1 words=$2; shift 2
  ends "info $1" "$status" nbdctl info "$@"
  matches "words about $1" "^nbdctl: $words" "$noted"
}
fails 69 "connect: vsock 1:10999: connection refused" nbd+vsock://$cid:10999/
fails 69 "connect: vsock 77:10809: there is no such CID" nbd+vsock://77/
fails 64 "credentials: .*tls-hostname=NAME" nbds+vsock://$cid:10810/
fails 77 "TLS handshake: .*it is for good.example; expected bad.example" \
  "nbds+vsock://$cid:10810/?tls-hostname=bad.example" --tls-certificates $work/trust
fails 77 "TLS handshake: the server hung up on user 'nbdd'" nbds+vsock://$cid:10811/ --tls-psk-file $work/otherkey
fails 77 "option .*: the server requires TLS" nbd+vsock://$cid:10810/
fails 77 "option STARTTLS: refused" nbds+vsock://$cid:10809/ --tls-psk-file $work/key
figure "list, info, map and read unencrypted, with a certificate and with a key: $checks checks"
finish
