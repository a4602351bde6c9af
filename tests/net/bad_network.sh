#!/bin/sh
# bad_network.sh TEST-PROGRAM: what TCP promises, over a network that is slow and loses packets: a network namespace whose
# loopback has netem (delay, loss), or, in a kernel without it, a narrow link with a short queue, which drops what comes at
# once. Exits 77, and says why, where no namespace is to be had.
set -u
unset SENNIT_SOAK  # full counts would take this network for hours
if [ "${2:-}" != inside ]; then
  unshare -rn true 2>/dev/null || { echo "no network namespace may be made here"; exit 77; }
  exec unshare -rn "$0" "$1" inside
fi
ip link set lo up mtu 1500
if tc qdisc add dev lo root netem delay 3ms 2ms loss 2% 2>/dev/null; then
  network="netem"
elif tc qdisc add dev lo root tbf rate 100mbit burst 4kb limit 30kb; then
  network="tbf"
else
  echo "this kernel shapes no traffic"
  exit 77
fi
"$1" --gtest_filter='stream/0.*:duplex_stream/0.*:vectored/0.*:buffered_*/0.*:iostream_over/0.*:peers/0.slow_*:workers/tcp_c*' ||
  exit 1
tc -s qdisc show dev lo
dropped=$(tc -s qdisc show dev lo | sed -n 's/.*(dropped \([0-9]*\),.*/\1/p')
[ "$dropped" -gt 0 ] || { echo "$network dropped nothing: this was a good network"; exit 1; }
