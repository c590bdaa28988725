#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# PID 1 of the guest: takes a capture, asks the host to plug memory, takes another, sends both through hvc1.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
stty -F /dev/hvc1 raw -echo 2>/dev/null
stty -echo 2>/dev/null
echo online > /sys/devices/system/memory/auto_online_blocks

host() { # a monitor command: the host answers with a line once it is done
  echo "HOST: $*"
  read -r answer
  echo "$* -> $answer"
}
capture() {
  sh /capture.sh -o "/tmp/$1.tar.gz" || echo "capture failed"
  { echo "FILE $1"; base64 "/tmp/$1.tar.gz"; echo END; } > /dev/hvc1
}

capture before
while read -r command; do
  [ -n "$command" ] && host "$command" < /dev/console
done < /commands
sleep 4
capture after
sync
sleep 1
echo "done"
poweroff -f
