#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# PID 1 of the crash kernel: sends /proc/vmcore through hvc1 as makedumpfile flattens and compresses it.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
stty -F /dev/hvc1 raw -echo 2>/dev/null
echo "the crash kernel runs: $(grep Mem /proc/meminfo | head -n 1)"
{ echo "FILE vmcore"; makedumpfile -F -c -d 31 /proc/vmcore | base64; echo END; } > /dev/hvc1
sync
sleep 1
echo "done"
poweroff -f
