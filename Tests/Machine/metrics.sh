#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Debian's Prometheus scrapes the figures of nbdd through an outage: they say what has happened, the example's alert fires and
# clears, and every panel of the example's dashboard has data.
# on-kernel: --systemd
. "$(dirname "$0")/common.sh"
export NBDD_SOCKET=/run/nbdd/org.nbdd
prometheus=$tree/.build/prometheus
[ -x "$prometheus/prometheus" ] || skip "there is no Prometheus in .build/prometheus: make prerequisites"

make -s -C "$tree" install DESTDIR= PREFIX=/usr/local BINARIES="$binaries" 2>&1 | tail -n 5
PATH=/usr/local/sbin:/usr/local/bin:$PATH
systemd-sysusers /usr/local/lib/sysusers.d/nbdd.conf
systemctl daemon-reload
mkdir -p /etc/nbdd/devices.d
image disk 32M
up() { rm -f $work/disk.sock; serve disk --unix $work/disk.sock file $work/disk.img; }
up
echo "{ \"uri\": \"nbd+unix:///?socket=$work/disk.sock\" }" >/etc/nbdd/devices.d/disk.json
ends "start" 0 systemctl start nbdd.socket nbdd.service nbdd-metrics.socket
within 20 "disk is attached" in_state disk attached

say "over HTTP"
# fetch PATH [METHOD]: status, type and text.
fetch() {
  $python - "$@" <<'SCRIPT'
import sys, urllib.request, urllib.error
request = urllib.request.Request("http://127.0.0.1:9809" + sys.argv[1], method=(sys.argv + ["GET"])[2])
try:
    answer = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.headers["Content-Type"], answer.read().decode(), sep="\n")
SCRIPT
}
# value FAMILY [LABELS]: the sample of disk.
value() { nbdctl metrics | sed -nE "s/^$1\{device=\"disk\"${2:-}\} //p"; }
fetched=$(fetch /metrics)
check "status" 200 "$(head -n 1 <<<"$fetched")"
check "type" 'application/openmetrics-text; version=1.0.0; charset=utf-8' "$(sed -n 2p <<<"$fetched")"
matches "text" 'nbdd_device_state\{device="disk",nbdd_device_state="attached"\} 1' "$fetched"
check "another path" 404 "$(fetch / | head -n 1)"
check "another method" 405 "$(fetch /metrics POST | head -n 1)"
before=$(value nbdd_device_request_bytes_total ',operation="read"')
count=$(value nbdd_device_request_duration_seconds_count ',operation="read"')
ends "read" 0 dd if="$(runtime disk .device)" of=/dev/null bs=64k count=64 iflag=direct status=none
check "bytes read" $((before + 64 * 65536)) "$(value nbdd_device_request_bytes_total ',operation="read"')"
check "requests" $((count + 64)) "$(value nbdd_device_request_duration_seconds_count ',operation="read"')"

say "scraped"
mkdir $work/prometheus
sed 's/for: .*/for: 2s/' "$tree/config/prometheus/nbdd.rules.yml" >$work/prometheus/rules.yml
cat >$work/prometheus/prometheus.yml <<'YAML'
global: { scrape_interval: 5s, scrape_timeout: 5s, evaluation_interval: 1s }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: nbdd, static_configs: [ { targets: [ "127.0.0.1:9809" ] } ] } ]
YAML
"$prometheus/prometheus" --config.file=$work/prometheus/prometheus.yml --storage.tsdb.path=$work/prometheus/data \
  --web.listen-address=127.0.0.1:9090 >$work/prometheus/log 2>&1 &
scraper=$!
# query PROMQL: how many series it has; asked TEXT of Prometheus' interface.
asked() { $python -c 'import sys, urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9090/api/v1/" + sys.argv[1], timeout=30).read().decode())' "$1" 2>/dev/null; }
quoted() { $python -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$1"; }
query() { asked "query?query=$(quoted "$1")" | jq '.data.result | length'; }
has() { [ "$(query "$1")" -gt 0 ]; }
firing() { asked alerts | jq -e '[.data.alerts[] | select(.state == "firing" and .labels.alertname == "'"$1"'")] | length > 0'; }
within 30 "it scrapes" has 'up == 1'
within 20 "it has the device" has 'nbdd_device_state{device="disk",nbdd_device_state="attached"} == 1'
for word in 1 2 3 4 5 6 7 8; do
  dd if="$(runtime disk .device)" of=/dev/null bs=64k count=32 iflag=direct status=none
  dd if=/dev/zero of="$(runtime disk .device)" bs=64k count=32 oflag=direct conv=fsync status=none
  sleep 1
done

say "an outage"
end_server disk KILL
within 20 "it is seen" in_state disk reconnecting
within 30 "the alert fires" firing NbddDeviceWithoutServer
up
within 20 "the server is back" in_state disk attached
within 30 "the alert clears" eval '! firing NbddDeviceWithoutServer'
check "outages" 1 "$(value nbdd_device_outages_total)"
matches "its length" '^[1-9]' "$(value nbdd_device_outage_seconds_total)"
within 10 "Prometheus has it" has 'nbdd_device_outages_total{device="disk"} == 1'

say "the dashboard"
while read -r expression; do
  expression=${expression//\$device/.*} expression=${expression//\$__rate_interval/1m}
  within 10 "a panel has data: $expression" has "$expression"
done < <(jq -r '.panels[].targets[].expr' "$tree/config/prometheus/nbdd-dashboard.json")
check "scrapes that failed" 0 "$(query 'up == 0')"

say "without nbdd"
ends "stop" 0 systemctl stop nbdd.socket nbdd.service
check "status" 503 "$(fetch /metrics | head -n 1)"
kill $scraper; wait $scraper 2>/dev/null
[ $failures = 0 ] || { tail -n 20 $work/prometheus/log; journalctl -b --no-pager -n 40; }
finish
