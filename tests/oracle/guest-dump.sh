#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# PID 1 of the guest: does what /commands says, firmware's update of the LMBs last; then it takes a capture, asks the
# host to dump its memory, and sends the capture, its own /proc/kcore and what drmemctl says in here through hvc1.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
stty -F /dev/hvc1 raw -echo 2>/dev/null
stty -echo 2>/dev/null
drmem=/proc/device-tree/ibm,dynamic-reconfiguration-memory
echo online > /sys/devices/system/memory/auto_online_blocks

host() { # a monitor command: the host answers with a line once it is done
  echo "HOST: $*"
  read -r answer
  echo "$* -> $answer"
}
hex() { hexdump -v -e '1/1 "%02x"' "$1"; }
firmware() { # firmware HEX: the LMBs are replaced, as a firmware's update would
  {
    printf 'update_property %d ibm,dynamic-memory-v2 %d ' 0x$(hex $drmem/phandle) $((${#1} / 2))
    printf "$(echo $1 | sed 's/../\\x&/g')"
  } > /tmp/update
  cat /tmp/update > /proc/ppc64/ofdt
}
sent() { # sent NAME: standard input
  { echo "FILE $1"; base64; echo END; } > /dev/hvc1
}

echo # the firmware may have left its last line without an end
echo "booted $(uname -r)"
while read -r command; do
  [ -n "$command" ] && host "$command" < /dev/console
done < /commands
sleep 4
# The last set becomes one of assigned LMBs on node 0: the kernel takes over no flags, and a crash kernel boots on it.
lmbs=$(hex $drmem/ibm,dynamic-memory-v2)
firmware "${lmbs%????????????????}0000000000000008"
sh /capture.sh -o /tmp/guest.tar.gz || echo "capture failed"
if [ -f /vmcore.gz ]; then # a crash kernel that sends this kernel's memory, instead of the host
  sent guest < /tmp/guest.tar.gz
  /sbin/kexec -p /vmlinux --initrd=/vmcore.gz --append="console=hvc0 quiet maxcpus=1 irqpoll reset_devices" || poweroff -f
  echo c > /proc/sysrq-trigger
fi
host dump < /dev/console
sent guest < /tmp/guest.tar.gz
if [ -f /asked ]; then # Python and drmemctl are here: what it says of this kernel
  export PYTHONHOME=/ COLUMNS=100 LANG=C.UTF-8
  while read -r command; do
    echo "# drmemctl $command"
    python3.11 -m drmemctl $command 2>> /tmp/errors < /dev/null
  done < /asked > /tmp/transcript
  cat /tmp/errors
  sent transcript < /tmp/transcript
fi
# The linear map up to the end of the memory that was plugged, and nothing of vmalloc, which lies behind it.
end=$(awk -F '[- ]' '/System RAM/ { end = $2 } END { print end }' /proc/iomem)
dd if=/proc/kcore bs=65536 count=$((0x$end / 65536 + 2)) 2>/dev/null | gzip -1 | sent kcore
sync
sleep 1
echo "done"
poweroff -f
