#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# PID 1 of the guest: does the steps in /steps one by one; after each it keeps the drmem properties, the memory blocks
# and the kernel's messages, and sends all of it through hvc1. If /edits is there this is the first of two kernels:
# it edits its tree as that says and boots /vmlinux from it. A step `kexec` boots /vmlinux as well: the next kernel finds
# what was kept so far, and in /resume the number of that step.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
stty -F /dev/hvc1 raw -echo 2>/dev/null
stty -echo 2>/dev/null
drmem=/proc/device-tree/ibm,dynamic-reconfiguration-memory
kept=/tmp/kept
mkdir -p /var/lock /var/log /sbin /next
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
resumed=$(cat /resume 2>/dev/null)
[ -e /sbin/lsmod ] || ln -s /bin/lsmod /sbin/lsmod # drmgr asks it for a module
number=0

keep() { # keep FOLDER: the state now
  for property in $drmem/ibm,*; do cp "$property" "$1/"; done
  for block in /sys/devices/system/memory/memory*; do
    node=$(ls -d $block/node* 2>/dev/null | sed 's#.*/node##' | head -n 1)
    echo "${block##*/memory} $(cat $block/state) ${node:--} $(cat $block/valid_zones 2>/dev/null)"
  done | sort -n > "$1/blocks"
  [ -e /sys/kernel/debug/memblock/memory ] && cat /sys/kernel/debug/memblock/memory > "$1/memblock"
  # Which node a CPU is on: the links cpuN/nodeM of sysfs do not follow it when it comes back on another.
  for node in /sys/devices/system/node/node[0-9]*; do echo "${node##*/node} $(cat $node/cpulist)"; done > "$1/cpus"
  for node in /sys/devices/system/node/node[0-9]*; do echo "${node##*/node} $(cat $node/distance)"; done > "$1/distances"
  for cpu in /proc/device-tree/cpus/*/; do
    mkdir -p "$1/nodes/${cpu#/proc/device-tree/cpus/}"
    cp ${cpu}* "$1/nodes/${cpu#/proc/device-tree/cpus/}" 2>/dev/null
  done
}
step() {
  number=$((number + 1))
  folder=$kept/$number
  [ $number -le ${resumed:-0} ] && return
  mkdir -p $folder
  dmesg -c > /dev/null
  "$@" > $folder/out 2>&1
  echo $? > $folder/rc
  # A message that is cut off loses its line feed, and cannot be read before another follows it.
  echo "<7>end of step $number" > /dev/kmsg
  dmesg -c > $folder/dmesg
  keep $folder
  echo "step $number: $1 $2 $3 $4 $5: $(cat $folder/rc)"
}
dlpar() { echo "$*" > /sys/kernel/dlpar; }
block() { # block offline|online NUMBER
  state=/sys/devices/system/memory/memory$2/state
  [ -e $state ] || { echo "No such file or directory"; return 1; }
  echo $1 > $state
}
kexec() { # kexec file|classic
  echo $number > /resume
  mount -t tmpfs next /next
  (cd / && find . -xdev | cpio -o -H newc 2>/dev/null | gzip -1) > /next/root.gz
  case $1 in file) how=-s ;; *) how=-c ;; esac
  /sbin/kexec $how -l /vmlinux --initrd=/next/root.gz --append="$(cat /proc/cmdline)" && /sbin/kexec -e
}
host() { # something that the host has to do; then wait until the kernel has had nothing to say for two seconds
  echo "HOST: $*" > /dev/hvc0
  read -r answer
  echo "$answer"
  now=-
  until before=$now; now=$(dmesg | wc -l); [ "$now" = "$before" ]; do sleep 2; done
  [ "$answer" = ok ]
}
migrate() { # migrate NUMBER: from here on the host answers the RTAS calls that QEMU does not have
  host migrate $1 || return 1
  echo 1 > /sys/kernel/mobility/migration
  result=$?
  host migrated $1 || return 1
  return $result
}
phandle() { printf %d 0x$(hexdump -v -e '1/1 "%02x"' $1/phandle); }
firmware() { # firmware PROPERTY HEX [NODE]: a property is replaced, as a firmware's update would
  {
    printf 'update_property %d %s %d ' $(phandle ${3:-$drmem}) "$1" $((${#2} / 2))
    printf "$(echo $2 | sed 's/../\\x&/g')"
  } > /tmp/update
  cat /tmp/update > /proc/ppc64/ofdt
}
without() { # without PROPERTY
  printf 'remove_property %d %s' $(phandle $drmem) "$1" > /tmp/update
  cat /tmp/update > /proc/ppc64/ofdt
}

if [ -f /edits ]; then
  . /edits
  /sbin/kexec -l /vmlinux --initrd=/second.gz --append="$(cat /cmdline)" && /sbin/kexec -e
  echo "kexec failed"
  poweroff -f
fi
if [ -n "$resumed" ]; then
  : > $kept/$resumed/dmesg
  : > $kept/$resumed/out
  echo 0 > $kept/$resumed/rc
  keep $kept/$resumed
else
  mkdir -p $kept/0
  uname -r > $kept/uname
  cat /proc/cmdline > $kept/cmdline
  cat /sys/devices/system/memory/block_size_bytes > $kept/block_size_bytes
  cat /sys/firmware/fdt > $kept/fdt
  dmesg > $kept/0/dmesg
  keep $kept/0
fi
echo online > /sys/devices/system/memory/auto_online_blocks
echo "booted $(uname -r)"
. /steps
tar czf /tmp/kept.tgz -C /tmp kept
{ echo "FILE kept"; base64 /tmp/kept.tgz; echo END; } > /dev/hvc1
sync
sleep 1
poweroff -f
