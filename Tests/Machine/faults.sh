#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What can go wrong between a device and its server, under each load: no I/O error, no wrong byte, and I/O
# flows when the server is back. A table reports the results and the times. NBD_SOAK=1: all combinations, not
# a selection. With the arguments FAULT LOAD CONNECTIONS plain|TLS: that one alone.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"
. "$(dirname "$0")/faults-list.sh"

# The servers are at the other end of a network link, 10.9.0.2 and 10.9.0.3.
ip netns add far
ip link add near type veth peer name far0
ip link set far0 netns far
ip address add 10.9.0.1/24 dev near
ip link set near up
for command in 'address add 10.9.0.2/24 dev far0' 'address add 10.9.0.3/24 dev far0' 'link set far0 up' 'link set lo up'; do
  ip -n far $command
done
# Not by ip netns exec: a mount namespace of its own would hold what is mounted.
far() { nsenter --net=/run/netns/far "$@"; }
# A simple service manager: nbdkit 1.32 may abort when a client disconnects while it is replying to it.
serve() {
  local name=$1; shift
  rm -f $work/$name.pid
  (while far nbdkit -f --pidfile $work/$name.pid "$@" 2>>$work/$name.log; [ $? = 134 ]; do echo abort >>$work/aborts; done) 2>/dev/null &
  until [ -s $work/$name.pid ]; do sleep 0.02; gone $! && { failed "$cell: the server starts" started "$(tail -n 2 $work/$name.log)"; return; }; done
}
: >$work/aborts
at() { sed -i '/storage\.test/d' /etc/hosts; echo "$1 storage.test" >>/etc/hosts; address=$1; }
far $python $machine/proxy.py 10810 10.9.0.2:10809 $work/proxy >$work/proxy.log 2>&1 &
certificates $work/pki storage.test
cp -r $work/pki $work/right
certificates $work/pki storage.test expired
cp -r $work/pki $work/expired
patterned $work/pattern.img
truncate -s 96M $work/ext4.img; mkfs.ext4 -q $work/ext4.img
truncate -s 320M $work/xfs.img; mkfs.xfs -q $work/xfs.img
truncate -s 64M $work/zeroes.img
start_nbdd
within 10 "the proxy listens" grep -q listening $work/proxy.log

# up [ARGUMENT...]: the server of the cell.
up() {
  local tls=()
  [ $security = plain ] || tls=(--tls=require --tls-certificates=$work/pki)
  serve main -i $address --port 10809 ${tls[@]+"${tls[@]}"} "$@" file $work/main.img
  back=$(stat -c %.3Y $work/main.pid | tr -d .)  # written when it listens
}
# probe: a direct read of 4 KiB; the time when it is done is left in a file.
probe() {
  rm -f $work/flowed
  { dd if="$path" of=/dev/null bs=4k skip=$((RANDOM % 4000)) count=1 iflag=direct 2>$work/probe.error &&
      echo "${EPOCHREALTIME/./}" >$work/flowing && mv $work/flowing $work/flowed; } &
}
flows() { within 30 "$cell: I/O flows" test -s $work/flowed; }

# cell FAULT LOAD CONNECTIONS SECURITY
cell() {
  local fault=$1 load=$2 connections=$3 before=$failures started=$SECONDS scheme=nbd port=10809 errors=0
  security=$4 cell="$*" name=c$((++cells)) back=0 time=-
  [ $security = plain ] || scheme=nbds
  case $fault in reset | cut-*) port=10810 ;; esac
  case $load in
    ext4 | xfs) cp --sparse=always $work/$load.img $work/main.img ;;
    reads) cp --sparse=always $work/pattern.img $work/main.img ;;
    *) cp --sparse=always $work/zeroes.img $work/main.img ;;
  esac
  at 10.9.0.2
  rm -rf $work/pki; cp -r $work/right $work/pki
  up
  # Anything shorter than requestTimeout must not be an outage.
  device $name "{ \"uri\": \"$scheme://storage.test:$port/\", \"connections\": $connections,
    \"tlsCertificates\": \"$work/right\", \"connectTimeout\": \"2s\", \"negotiationTimeout\": \"2s\",
    \"requestTimeout\": \"$([ $fault = stop-short ] && echo 20s || echo 2s)\", \"reconnectDelay\": \"2s\" }"
  ends "$cell: reload" 0 nbdctl reload
  within 20 "$cell: attached" in_state $name attached
  within 20 "$cell: all connections are up" all_up $name
  path=$(runtime $name .device)
  load_begin
  "fault_${fault//-/_}"
  flows
  [ $back = 0 ] || [ ! -s $work/flowed ] || time=$(($(cat $work/flowed) / 1000 - back))
  load_end
  outages=$(runtime $name .relay.outages)
  case $fault in
    stop-short) check "$cell: outages" 0 "$outages" ;;
    reset | cut-* | flap) ;;
    *) [ "$outages" -ge 1 ] || failed "$cell: outages" "some" "$outages" ;;
  esac
  rm $config/devices.d/$name.json
  ends "$cell: detach" 0 nbdctl detach $name
  ends "$cell: reload" 0 nbdctl reload
  # A nbdkit that has not seen the end of a connection waits for it.
  end_server main KILL
  case $load in
    ext4) ends "$cell: e2fsck" 0 e2fsck -fn $work/main.img ;;
    xfs) ends "$cell: xfs_repair" 0 xfs_repair -n $work/main.img ;;
  esac
  errors=$(complaints | wc -l)
  quiet_kernel
  case $fault in smaller | read-only | expired | stop-short | gone) ;; *) [ $time = - ] || times+=("$((time > 0 ? time : 0))") ;; esac
  [ $time = - ] || [ $time -gt 0 ] || time=0
  printf '%-12s %-7s %d  %-6s %7d %7d  %-6s %6s %3d\n' $fault $load $connections $security "$outages" "$errors" \
    "$([ $failures = $before ] && echo right || echo FAILED)" $time $((SECONDS - started))
}
load_begin() {
  case $load in
    idle) ;;
    ext4 | xfs)
      mkdir -p $work/tree
      holds "$cell: mount" mount $path $work/tree
      files_begin $name $work/tree
      under_way $name 40
      ;;
    reads) fio_begin $name $path "${reading[@]}"; under_way $name 40 ;;
    writes) fio_begin $name $path "${writing[@]}"; under_way $name 40 ;;
  esac
}
# The load continues, and everything is right in the end.
load_end() {
  [ $load = idle ] || under_way $name 40
  case $load in
    idle) ;;
    ext4 | xfs)
      files_end $name
      sync -f $work/tree
      echo 3 >/proc/sys/vm/drop_caches
      files_right $name $work/tree
      holds "$cell: umount" umount $work/tree
      ;;
    *) fio_end $name ;;
  esac
}

cells=0 times=()
printf '%-12s %-7s %s  %-6s %7s %7s  %-6s %6s %3s\n' fault load c security outages errors data ms s
if [ $# -gt 0 ]; then cell "$@"
elif [ -n "$soak" ]; then
  for fault in "${faults[@]}"; do for load in idle reads writes ext4 xfs; do for count in 1 4; do for kind in plain TLS; do
    [ $fault$kind = expiredplain ] || cell $fault $load $count $kind
  done; done; done; done
else
  while read -r fault load count kind; do [ -z "$fault" ] || cell $fault $load $count $kind </dev/null; done <<<"$selection"
fi
figure "$cells cells; ms from the server's return to the first I/O: median $(printf '%s\n' "${times[@]}" | sort -n |
  sed -n "$((${#times[@]} / 2 + 1))p"), most $(printf '%s\n' "${times[@]}" | sort -n | tail -n 1), of ${#times[@]}; nbdkit aborted by itself $(wc -l <$work/aborts) times"
finish
