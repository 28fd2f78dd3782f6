# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# The faults of faults.sh, which sources this. Each begins when the load is under way, starts a `probe` when the device
# has no server, and leaves in `back` when there was one again, in milliseconds (0: that is not measured).
# shellcheck shell=bash disable=SC2034,SC2154

faults=(kill term stop-long stop-short reset half-open vanished flap cut-reply cut-request cut-next bigger smaller read-only gone expired moved)
# What is run when there is no time for everything: every fault, load, number of connections and security at
# least once.
selection='
kill writes 1 plain
kill ext4 4 TLS
kill idle 4 plain
term reads 4 plain
stop-long writes 4 plain
stop-short reads 1 TLS
reset writes 1 TLS
half-open reads 4 plain
vanished idle 1 plain
flap xfs 4 TLS
cut-reply reads 1 plain
cut-request writes 4 TLS
cut-next writes 4 TLS
bigger writes 1 plain
smaller ext4 1 plain
read-only writes 4 plain
gone xfs 1 TLS
expired idle 1 TLS
moved ext4 4 plain
'

order() { echo "$*" >$work/proxy; }
in_outage() { case $(runtime $name .state) in reconnecting | failed) ;; *) false ;; esac; }
# failing PATTERN: the device reports a persistent error, with its reason; the device still exists.
failing() {
  within 20 "$cell: failed" in_state $name failed
  matches "$cell: the reason" "$1" "$(runtime $name .failure.message)"
  holds "$cell: the device is there" test -b "$path"
  check "$cell: its size" "$size" "$(cat "/sys/block/${path#/dev/}/size")"
}
# away SIGNAL: the server ends, and the device has noticed.
away() {
  size=$(cat "/sys/block/${path#/dev/}/size")
  if [ "$1" = TERM ]; then
    # nbdkit continues for its TLS clients; then it is ended as a service manager would do it.
    local process; process=$(cat $work/main.pid)
    kill -TERM "$process"
    for _ in {1..20}; do gone "$process" && break; sleep 0.1; done
  fi
  end_server main KILL
  within 10 "$cell: an outage" in_outage
  probe
}

fault_kill() { away KILL; between 200 1500; up; }
fault_term() { away TERM; between 200 1500; up; }
fault_gone() { away KILL; sleep "$(for_soak 20 60)"; up; }
# Silence: until a request has waited for too long.
fault_stop_long() {
  kill -STOP "$(cat $work/main.pid)"
  probe
  within 20 "$cell: an outage" in_outage
  between 200 1500
  kill -CONT "$(cat $work/main.pid)"
  back=$(now)
}
fault_stop_short() {
  kill -STOP "$(cat $work/main.pid)"
  probe
  sleep 0.7
  kill -CONT "$(cat $work/main.pid)"
  back=$(now)
}
# What the server sends gets lost.
fault_half_open() {
  ip -n far route add blackhole 10.9.0.1/32
  probe
  within 20 "$cell: an outage" in_outage
  between 200 1500
  ip -n far route del blackhole 10.9.0.1/32
  back=$(now)
}
# The same while there may be no requests: TCP's own probes get no reply.
fault_vanished() {
  ip -n far route add blackhole 10.9.0.1/32
  within 60 "$cell: an outage" in_outage
  probe
  ip -n far route del blackhole 10.9.0.1/32
  back=$(now)
}
fault_flap() {
  local round
  for round in 1 2 3; do
    ip link set near down
    [ $round = 3 ] && probe
    between 300 2000
    ip link set near up
    back=$(now)
    between 50 500
  done
}
fault_reset() {
  local round
  for round in 1 2 3; do
    order reset
    back=$(now)
    probe
    flows
  done
}
# cut WAY MOST: three times, each connection is closed after a random number of bytes.
cut() {
  local round
  back=0
  for round in 1 2 3; do
    order cut "$1" $((1 + RANDOM % $2))
    probe
    flows
    within 20 "$cell: a connection is cut" cuts_are $((cut_count + round))
  done
  cut_count=$(grep -c ^cut $work/proxy.log)
}
cut_count=0
cuts_are() { [ "$(grep -c ^cut $work/proxy.log)" -ge "$1" ]; }
# Without a load, the probe alone has to reach the number: its request has 28 bytes, its reply 4112 or more.
fault_cut_reply() { cut down 4000; }
fault_cut_request() { if [ $load = idle ]; then cut up 27; else cut up 4000; fi; }
# One connection after the other is cut, from its first byte through the negotiation to the first requests and replies
# with their data. Some live a little longer, so that the outages are short and with them the pauses between attempts.
fault_cut_next() {
  local way bytes few many count
  few=$(for_soak 4 1) many=$(for_soak 19 1)
  back=0
  for way in up down; do
    for ((bytes = 0; bytes < 450; bytes += bytes < 20 ? few : many)); do echo next $way $bytes; done
  done | sed '0~8a next down 8000' >$work/orders
  count=$(wc -l <$work/orders)
  cat $work/orders >$work/proxy
  order reset
  within $(($(for_soak 30 60) + count)) "$cell: $count connections are cut" reads_until cuts_are $((cut_count + count))
  cut_count=$(grep -c ^cut $work/proxy.log)
  probe
}
reads_until() { "$@" || { dd if="$path" of=/dev/null bs=4k count=1 iflag=direct status=none; false; }; }
fault_bigger() {
  away KILL
  truncate -s +64M $work/main.img
  up
  within 20 "$cell: the device has grown" is $((size + (64 << 11))) cat "/sys/block/${path#/dev/}/size"
}
fault_smaller() {
  away KILL
  mv $work/main.img $work/kept.img
  truncate -s 16M $work/main.img
  up
  failing 'shrunk.*16777216'
  end_server main
  mv $work/kept.img $work/main.img
  up
}
fault_read_only() {
  away KILL
  up --readonly
  failing 'read-only'
  end_server main
  up
}
fault_expired() {
  away KILL
  rm -rf $work/pki; cp -r $work/expired $work/pki
  up
  failing 'expired.*20[0-9][0-9]'
  end_server main
  rm -rf $work/pki; cp -r $work/right $work/pki
  up
}
fault_moved() { away KILL; at 10.9.0.3; up; }
