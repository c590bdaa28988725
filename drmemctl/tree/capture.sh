#!/bin/sh
# SPDX-License-Identifier: MIT
# Takes a capture for drmemctl on a machine without Python: POSIX sh, cp, sed, sort, grep, tr, tail, tar and gzip
# (busybox has them all). Read-only but for its output, a file that appears whole or not at all.
#
#   sh capture.sh [-o FILE.tar.gz] [--redact] [--list] [--root DIR]
#
# --redact  without serial numbers, UUIDs and location codes
# --list    what is taken, and nothing is
set -u
umask 077
export LC_ALL=C

fail() { echo "capture: $1" >&2; exit "${2:-3}"; }

list() {
cat <<'LIST'
@TAKEN@
LIST
}

root=/ out=drmemctl-capture.tar.gz redact=
while [ $# -gt 0 ]; do
  case $1 in
    -o) [ $# -gt 1 ] || fail "-o needs a file" 2; out=$2; shift ;;
    --root) [ $# -gt 1 ] || fail "--root needs a directory" 2; root=$2; shift ;;
    --redact) redact=1 ;;
    --list) list; exit 0 ;;
    *) fail "unknown argument $1; usage: capture.sh [-o FILE.tar.gz] [--redact] [--list] [--root DIR]" 2 ;;
  esac
  shift
done
root=${root%/}
tree=$root/proc/device-tree memory=$root/sys/devices/system/memory nodes=$root/sys/devices/system/node
[ -d "$tree/." ] || fail "there is no device tree at $tree"

work=$(mktemp -d "${TMPDIR:-/tmp}/drmemctl.XXXXXX") || fail "no temporary directory"
part=$(dirname "$out")/.drmemctl-$$
trap 'rm -rf "$work" "$part"' EXIT
trap 'exit 130' INT TERM HUP
top=$work/capture
mkdir -p "$top/proc/device-tree" "$top/sys/firmware" "$top/memory" "$top/log" || fail "$work cannot be written"

take() { [ -r "$root/$1" ] && cat "$root/$1" > "$top/$2" 2>/dev/null || rm -f "$top/$2"; }

# Words joined by commas, - for none.
commas() {
  set -f; set -- $1; set +f
  joined=
  for word do joined=${joined:+$joined,}$word; done
  echo "${joined:--}"
}

# A file's first line so, without starting a process: there may be a quarter million memory blocks.
words() {
  line=
  [ -r "$1" ] && { read -r line < "$1" || :; } 2>/dev/null
  commas "$line"
}

numbers() { for entry in "$1"/"$2"[0-9]*; do
  [ -e "$entry" ] || [ -L "$entry" ] || continue
  echo "${entry##*/"$2"}"
done | grep '^[0-9]*$' | sort -n; }

joined_numbers() {
  all=
  for number in $(numbers "$1" "$2"); do all=${all:+$all,}$number; done
  echo "${all:--}"
}

blocks() { for n in $(numbers "$memory" memory); do
  b=$memory/memory$n
  echo "$n $(words "$b/phys_index") $(words "$b/state") $(joined_numbers "$b" node) $(words "$b/valid_zones") $(words "$b/removable")"
done; }

node_lines() { for n in $(numbers "$nodes" node); do
  total=$(sed -n 's/.*MemTotal:[[:space:]]*\([0-9]*\).*/\1/p' "$nodes/node$n/meminfo" 2>/dev/null)
  # cpulist comes out empty where it is read byte by byte.
  cpus=$(cat "$nodes/node$n/cpulist" 2>/dev/null)
  echo "$n $(words "$nodes/node$n/distance") ${total:--} $(commas "$cpus")"
done; }

messages() {
  if [ -z "$root" ]; then dmesg 2>/dev/null
  elif [ -r "$root/dmesg" ]; then cat "$root/dmesg"
  elif [ -r "$root/var/log/dmesg" ]; then cat "$root/var/log/dmesg"
  fi
}

# A value of the same length, or none: a tool that cannot keep the NULs of a value must not leave half of it.
mask() {
  if [ "$2" = all ]; then tr '\001-\377' 'x' < "$1" > "$work/value"
  else sed 's/U[0-9A-Z]\{4\}\.[0-9A-Z]\{3\}\.[0-9A-Z]\{7\}/Uxxxx.xxx.xxxxxxx/g' "$1" > "$work/value"
  fi
  if [ "$(wc -c < "$1")" -eq "$(wc -c < "$work/value")" ]; then cat "$work/value" > "$1"; else rm -f "$1"; fi
}

cp -R "$tree/." "$top/proc/device-tree/" 2>/dev/null
chmod -R u+rwX "$top/proc/device-tree"
if [ -n "$redact" ]; then
  find "$top/proc/device-tree" -type f | while IFS= read -r file; do
    case ${file##*/} in
      @SECRET@) mask "$file" all ;;
      *) grep -q 'U[0-9A-Z]\{4\}\.[0-9A-Z]\{3\}\.[0-9A-Z]\{7\}' "$file" && mask "$file" codes ;;
    esac
  done
else
  take sys/firmware/fdt sys/firmware/fdt
fi
take sys/devices/system/memory/block_size_bytes memory/block_size_bytes
blocks > "$top/memory/blocks"
node_lines > "$top/memory/nodes"
for file in iomem cmdline version; do take "proc/$file" "proc/$file"; done
messages | grep -iE '@MESSAGES@' > "$top/dmesg"
for file in drmgr drmgr.0 platform; do
  [ -r "$root/var/log/$file" ] && tail -c 1048576 "$root/var/log/$file" > "$top/log/$file"
done

(cd "$work" && tar cf - capture) > "$work/capture.tar" || fail "tar failed"
case $out in
  *.gz|*.tgz) gzip -c "$work/capture.tar" > "$part" ;;
  *) cat "$work/capture.tar" > "$part" ;;
esac || fail "$out cannot be written"
mv -f "$part" "$out" || fail "$out cannot be written"
echo "capture: $out" >&2
