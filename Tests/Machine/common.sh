# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What every scenario uses. A scenario runs inside on-kernel, as root; it sources this file, states what it expects
# and ends with `finish`. Exit status: 0 every check held, 1 some did not, 77 skipped.
#
#   NBD_BIN_DIR   where nbdd and nbdctl are (the release build of this tree)
# shellcheck shell=bash disable=SC2034

set -u
[ -n "${ON_KERNEL:-}" ] || { echo "run this inside Tests/Machine/on-kernel (or all of them with Tests/Machine/run)" >&2; exit 2; }
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
machine=$tree/Tests/Machine
binaries=${NBD_BIN_DIR:-$tree/.build/release}
PATH=$binaries:$PATH
work=/run/scenario            # images, sockets, logs: in memory
config=$work/etc              # what nbdd is given as --config
export NBDD_SOCKET=$work/org.nbdd
python=/usr/bin/python3       # the distribution's: others on PATH may be slow wrappers
daemon=                       # process id of nbdd
failures=0 checks=0 finished=
kernel_errors_expected=       # set by scenarios that break connections on purpose
mkdir -p $config/devices.d
trap 'ended' EXIT

# Every scenario must reach `finish`; ending anywhere else is a failure.
ended() {
  [ -n "$finished" ] && exit "$finished"
  echo "FAILED: the scenario ended before its last line"
  evidence
  exit 1
}

skip() { echo "skipped: $1"; finished=77; exit 77; }
figure() { echo "figure: $*"; }
say() { echo "-- $*"; }

failed() {
  failures=$((failures + 1))
  echo "FAILED: $1"
  echo "  expected: $2"
  echo "  seen:     $3"
}
# check WHAT EXPECTED SEEN: the two are equal.
check() { checks=$((checks + 1)); [ "$2" = "$3" ] || failed "$1" "$2" "$3"; }
# matches WHAT PATTERN SEEN: the text contains the extended regular expression, upper or lower case.
matches() {
  checks=$((checks + 1))
  grep -Eqi -- "$2" <<<"$3" || failed "$1" "something like $2" "$3"
}
# holds WHAT COMMAND...: the command ends with 0.
holds() {
  checks=$((checks + 1))
  local what=$1 seen; shift
  seen=$("$@" 2>&1) || failed "$what" "success of: $*" "${seen:-(no output)}"
}
# ends WHAT STATUS COMMAND...: the command ends with this status; its streams are left in $said and $noted.
ends() {
  checks=$((checks + 1))
  local what=$1 expected=$2 status; shift 2
  timeout 120 "$@" >$work/said 2>$work/noted </dev/null; status=$?
  said=$(tr -d '\0' <$work/said) noted=$(tr -d '\0' <$work/noted)
  [ $status = "$expected" ] || failed "$what" "status $expected of: $*" "status $status: $said $noted"
}
# within SECONDS WHAT COMMAND...: the command ends with 0 before the time is over; a slow machine has three times as much.
within() {
  checks=$((checks + 1))
  local limit=$((3 * $1)) what=$2 deadline; shift 2
  deadline=$(($(now) + limit * 1000))
  until "$@" >/dev/null 2>&1; do
    [ "$(now)" -lt $deadline ] || { failed "$what" "within $limit s: $*" "$(status_lines)"; return 1; }
    sleep 0.1
  done
}
now() { echo $((${EPOCHREALTIME/./} / 1000)); }  # milliseconds
seconds() { printf '%d.%02d' $(($1 / 1000)) $(($1 % 1000 / 10)); }
is() { [ "$("${@:2}")" = "$1" ]; }

# --- servers -------------------------------------------------------------------------------------------------------

# serve NAME ARGUMENT...: starts nbdkit, which goes to the background when it listens.
serve() {
  local name=$1; shift
  rm -f "$work/$name.pid"
  nbdkit --pidfile "$work/$name.pid" "$@" || { failed "server $name starts" started "nbdkit $*"; return 1; }
}
# end_server NAME [SIGNAL]: and wait until it is gone.
end_server() {
  local process; process=$(cat "$work/$1.pid") || return
  kill "-${2:-TERM}" "$process" 2>/dev/null
  within 10 "server $1 ends" test ! -e "/proc/$process"
  rm -f "$work/$1.pid"
}
image() { truncate -s "$2" "$work/$1.img"; }

# --- nbdd ----------------------------------------------------------------------------------------------------------

# device NAME JSON: its configuration file.
device() { printf '%s\n' "$2" >$config/devices.d/"$1".json; }
start_nbdd() {
  nbdd --config $config "$@" >>$work/nbdd.log 2>&1 </dev/null &
  daemon=$!
  within 20 "nbdd answers" nbdctl status || evidence
}
# Ends nbdd as an administrator would: nothing may stay behind.
stop_nbdd() {
  [ -n "$daemon" ] || return 0
  local process=$daemon status; daemon=
  kill -TERM "$process"
  within 40 "nbdd ends after SIGTERM" gone "$process" || { kill -KILL "$process"; }
  wait "$process"; status=$?
  check "exit status of nbdd after SIGTERM" 0 $status
  check "devices still attached after nbdd" '' "$(held_by "$process")"
  check "mounts left by nbdd" '' "$(grep '^/dev/nbd' /proc/mounts)"
}
gone() { [ ! -e "/proc/$1" ] || grep -qs '^State:.Z' "/proc/$1/status"; }
# Devices that the kernel holds attached (with an owner's id, those which are its).
busy() { local file; for file in /sys/block/nbd*/pid; do [ -e "$file" ] && echo "$(basename "$(dirname "$file")")"; done; }
keeper() { pgrep -x nbdd-keeper | head -n 1; }
# held_by PROCESS: the devices that it, or its keeper, has attached.
held_by() {
  local name process; for name in $(busy); do
    for process in "$1" $(keeper); do
      [ -e "/proc/$process/task/$(cat "/sys/block/$name/pid" 2>/dev/null)" ] && echo "$name"
    done
  done
}
# runtime NAME PATH: one value of the status, as in `runtime web .state`.
runtime() { nbdctl status "$1" --json 2>/dev/null | jq -r ".devices[0].runtime$2"; }
context() { nbdctl status "$1" --json 2>/dev/null | jq -r ".devices[0].context$2"; }
in_state() { [ "$(runtime "$1" .state)" = "$2" ]; }
mounted() { grep -q " $1 " /proc/mounts; }
status_lines() { nbdctl status 2>&1 | tail -n 20; }

# counts: what nbdd holds open at this moment, in one line.
counts() {
  printf 'descriptors=%d threads=%d sockets=%d busy=%d' \
    "$(find "/proc/$daemon/fd" -mindepth 1 | wc -l)" "$(find "/proc/$daemon/task" -mindepth 1 -maxdepth 1 | wc -l)" \
    "$(ss -Hxtap | grep -c "pid=$daemon,")" "$(busy | wc -l)"
}

# --- the end -------------------------------------------------------------------------------------------------------

# The errors that the kernel has logged so far; `quiet_kernel` checks that there are none, and starts afresh.
complaints() { dmesg | grep -E 'I/O error|Buffer I/O|blocked for more than|BUG|WARNING|Oops|EXT4-fs error|Double reply|Unexpected reply'; }
quiet_kernel() { check "kernel log" '' "$(complaints | tail -n 5)"; dmesg -C; }

evidence() {
  echo "--- status"; status_lines
  echo "--- nbdd"; tail -n 40 $work/nbdd.log 2>/dev/null
  echo "--- kernel"; dmesg | grep -Ei 'nbd|ext4|error|task' | tail -n 15
}
finish() {
  [ $failures = 0 ] || evidence
  stop_nbdd
  [ -n "$kernel_errors_expected" ] || quiet_kernel
  echo "$checks checks, $failures failed"
  finished=$((failures > 0))
  exit $finished
}
