# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# What keeps a device busy while its server comes and goes, and checks afterwards whether a byte is wrong.
# Sourced after common.sh. Everything that is started has a NAME, under which it is awaited and ended.
# shellcheck shell=bash disable=SC2034

command -v fio >/dev/null || skip "fio is missing"
soak=${NBD_SOAK:-}            # set: the long version of a scenario
# for_soak SHORT LONG: one of the two.
for_soak() { [ -n "$soak" ] && echo "$2" || echo "$1"; }
# between LOW HIGH: a random number of milliseconds, slept.
between() { sleep "$(seconds_of $(($1 + RANDOM * ($2 - $1) / 32768)))"; }
seconds_of() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }

# --- what nbdd says, without a process for each question -----------------------------------------------------------

questions='' answers=''
# runtime NAME PATH: as in common.sh, and quick as long as the path has only names.
runtime() {
  case $2 in *[!.a-zA-Z]*) nbdctl status "$1" --json 2>/dev/null | jq -r ".devices[0].runtime$2"; return ;; esac
  local value
  echo "$1 $2" >&$questions
  read -r value <&$answers
  echo "$value"
}
coproc status { exec $python "$machine/status.py"; }
exec {questions}>&"${status[1]}" {answers}<&"${status[0]}"

# --- a raw device: fio ---------------------------------------------------------------------------------------------

# Passes of random writes, 4 KiB to 64 KiB, 16 in flight, a flush after each 64. One half is read and compared when all
# of it is written, the other half while it is being written. PASS is another number in each pass: fio's checksums
# would not notice what an earlier pass has left in the same place.
writing=(--verify=pattern --verify_pattern=PASS%o --verify_fatal=1 --rw=randwrite --bsrange=4k-64k --iodepth=16 --fsync=64
  --name=first --size=12M --name=second --offset=12M --size=12M --verify_backlog=64)
# Random reads of what `patterned` has written.
pattern=(--verify=pattern --verify_pattern=%o --verify_fatal=1 --bs=16k --name=first --size=24M)
reading=(--rw=randread --iodepth=16 "${pattern[@]}")

# fio_begin NAME DEVICE ARGUMENT...: runs passes until fio_end.
fio_begin() {
  local name=$1 path=$2 pass=0; shift 2
  rm -f "$work/$name".{stop,wrong,passes}
  (
    while [ ! -e "$work/$name.stop" ]; do
      pass=$((pass + 1))
      fio --filename="$path" --ioengine=libaio --direct=1 --randrepeat=0 --output-format=json \
        --output="$work/$name.json" "${@/PASS/$(printf '0x%08x' $pass)}" >"$work/$name.fio" 2>&1 ||
        { { echo "fio ended with $?"; cat "$work/$name.fio"; } >"$work/$name.wrong"; break; }
      jq '[.jobs[] | .read.total_ios + .write.total_ios] | add' "$work/$name.json" >>"$work/$name.passes"
    done
  ) &
  echo $! >"$work/$name.load"
}
# fio_stop NAME: after the pass that is under way; `wrong` then has what went wrong, `ios` how many I/Os there were.
fio_stop() {
  touch "$work/$1.stop"
  within 60 "the last pass on $1 ends" gone "$(cat "$work/$1.load")"
  wait "$(cat "$work/$1.load")"
  wrong=$(head -n 5 "$work/$1.wrong" 2>/dev/null)
  ios=$(awk '{ sum += $1 } END { print sum + 0 }' "$work/$1.passes" 2>/dev/null)
}
# fio_end NAME: ends fio; checks that every byte was right, and that there was at least one.
fio_end() {
  fio_stop "$1"
  check "what fio found on $1" '' "$wrong"
  [ "${ios:-0}" -gt 0 ] || failed "I/Os on $1" "some" "none"
}
# patterned FILE: makes an image for `reading`.
patterned() {
  truncate -s 64M "$1"
  fio --filename="$1" --rw=write --do_verify=0 "${pattern[@]}" >$work/pattern.fio ||
    failed "pattern" "an image" "$(cat $work/pattern.fio)"
}

# --- a file system -------------------------------------------------------------------------------------------------

# files_begin NAME DIRECTORY: creates, renames, appends to, deletes and syncs files until files_end.
files_begin() {
  rm -f "$work/$1".{stop,sums,files}
  $python "$machine/files.py" "$2" "$work/$1.stop" "$work/$1.sums" >"$work/$1.files" 2>&1 &
  echo $! >"$work/$1.load"
}
# files_end NAME: `files` then has how much was done.
files_end() {
  touch "$work/$1.stop"
  within 60 "the work on the files of $1 ends" gone "$(cat "$work/$1.load")"
  wait "$(cat "$work/$1.load")" || failed "work on the files of $1" "no error" "$(tail -n 3 "$work/$1.files")"
  files=$(tail -n 1 "$work/$1.files")
}
# files_right NAME DIRECTORY: every file that was there at the end is, and has its bytes, as the device has them.
files_right() {
  [ "$(wc -l <"$work/$1.sums")" -gt 10 ] || failed "files of $1" "some" "$(wc -l <"$work/$1.sums")"
  holds "checksums of $1" bash -c "cd '$2' && sha256sum --quiet -c '$work/$1.sums'"
  check "files of $1" "$(wc -l <"$work/$1.sums")" "$(find "$2" -name 'f*' | wc -l)"
}
busy_on() { [ -e "$work/$1.wrong" ] || [ "$(runtime "$1" .relay.requestsAnswered)" -ge "$2" ]; }
all_up() { [ "$(runtime "$1" '.relay.connections | all(.up)')" = true ]; }
# under_way NAME [COUNT]: the device has completed this many more requests than now, or fio has ended.
under_way() { within 20 "requests of $1 are answered" busy_on "$1" $(($(runtime "$1" .relay.requestsAnswered) + ${2:-20})); }

# --- encryption ----------------------------------------------------------------------------------------------------

# certificates DIRECTORY NAME [expired]: an authority, if there is none yet, and a server certificate that it has signed.
certificates() {
  mkdir -p "$1"
  [ -e "$1/ca-cert.pem" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority \
    -keyout "$1/ca-key.pem" -out "$1/ca-cert.pem" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$1/server-key.pem" -out "$1/server.csr" 2>/dev/null
  local dates=(-days 30)
  [ -z "${3:-}" ] || dates=(-startdate 20200101000000Z -enddate 20200301000000Z)
  : >"$1/index"
  printf '[ca]\ndefault_ca=a\n[a]\ndatabase=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
    "$1/index" >"$1/ca.conf"
  openssl ca -batch -config "$1/ca.conf" -in "$1/server.csr" -cert "$1/ca-cert.pem" -keyfile "$1/ca-key.pem" -notext \
    "${dates[@]}" -outdir "$1" -extfile <(echo "subjectAltName=DNS:$2") -out "$1/server-cert.pem" 2>"$1/log" ||
    failed "certificate" made "$(cat "$1/log")"
}
