#!/bin/sh
# SPDX-License-Identifier: MIT
# Takes a capture for drmemctl on a machine without Python: POSIX sh, cp, sed, sort, grep, tr, tail, tar, gzip, mktemp
# (busybox has them all), with --redact sha256sum, yes and head. Read-only but for its output, a file that appears
# whole or not at all, and replaces none.
#
#   sh capture.sh [-o FILE.tar.gz] [--force] [--redact] [--list] [--root DIR]
#
# --force   replace a file that is there already
# --redact  without serial numbers, UUIDs, location codes and passwords, anywhere
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

root=/ out= force= redact=
while [ $# -gt 0 ]; do
  case $1 in
    -o) [ $# -gt 1 ] || fail "-o needs a file" 2; out=$2; shift ;;
    --root) [ $# -gt 1 ] || fail "--root needs a directory" 2; root=$2; shift ;;
    --force) force=1 ;;
    --redact) redact=1 ;;
    --list) list; exit 0 ;;
    *) fail "unknown argument $1; usage: capture.sh [-o FILE.tar.gz] [--force] [--redact] [--list] [--root DIR]" 2 ;;
  esac
  shift
done
root=${root%/}
tree=$root/proc/device-tree memory=$root/sys/devices/system/memory nodes=$root/sys/devices/system/node
[ -d "$tree/." ] || fail "there is no device tree at $tree"

work=$(mktemp -d "${TMPDIR:-/tmp}/drmemctl.XXXXXX") || fail "no temporary directory"
part=
trap 'rm -rf "$work" ${part:+"$part"}' EXIT
trap 'exit 130' INT TERM HUP
top=$work/capture
mkdir -p "$top/proc/device-tree" "$top/sys/firmware" "$top/memory" "$top/log" || fail "$work cannot be written"

# Of another machine's files no link is followed: it may lead out of them.
plain() { [ -f "$1" ] && [ -r "$1" ] && { [ -z "$root" ] || [ ! -L "$1" ]; }; }

take() { plain "$root/$1" && cat "$root/$1" > "$top/$2" 2>/dev/null || rm -f "$top/$2"; }

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
  elif plain "$root/dmesg"; then cat "$root/dmesg"
  elif plain "$root/var/log/dmesg"; then cat "$root/var/log/dmesg"
  fi
}

# A value of the same length, or none: a tool that cannot keep the NULs of a value must not leave half of it.
mask() {
  if [ "$2" = all ]; then tr '\001-\377' 'x' < "$1" > "$work/value"
  else sed -f "$work/redact.sed" "$1" > "$work/value"
  fi
  if [ "$(wc -c < "$1")" -eq "$(wc -c < "$work/value")" ]; then cat "$work/value" > "$1"; else rm -f "$1"; fi
}

hashed() { sha256sum | cut -d' ' -f1; }

# The printable characters of a value.
printable() { [ -f "$1" ] && [ ! -L "$1" ] && tr -cd ' -~' < "$1"; }

# A name that stands for the partition, the same in all its redacted captures: the hash of a random UUID or of
# /etc/machine-id. Serial numbers are few enough to try all of them: each guess is to cost the hash of 65 MiB.
pseudonym() {
  command -v sha256sum > /dev/null || return 0
  at=$top/proc/device-tree
  for value in "uuid $(printable "$at/ibm,partition-uuid")" "uuid $(printable "$at/vm,uuid")" \
      "machine-id $(plain "$root/etc/machine-id" && tr -cd ' -~' < "$root/etc/machine-id")"; do
    if [ -n "$(printf %s "${value#* }" | tr -d 0x-)" ]; then
      printf 'drmemctl %s\n' "$value" | hashed
      return
    fi
  done
  serial=$(printable "$at/system-id")
  [ -n "$(printf %s "$serial" | tr -d x)" ] || return 0
  number=$([ -f "$at/ibm,partition-no" ] && od -An -v -tx1 -N4 "$at/ibm,partition-no" | tr -d ' \n')
  yes "$(printf 'drmemctl partition %s %s %s\n' "$serial" "$number" "$(printable "$at/ibm,partition-name")" | hashed)" \
    2> /dev/null | head -c 68157440 | hashed
}

host() {
  if [ -n "$redact" ]; then return; fi
  if [ -z "$root" ]; then uname -n
  else for file in proc/sys/kernel/hostname etc/hostname; do
    if plain "$root/$file"; then words "$root/$file" | sed 's/,.*//'; return; fi
  done; fi
}

taken() {
  echo "taken: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  if [ -n "$redact" ]; then name=$(pseudonym | cut -c1-16) && name=${name:+partition-$name}
  else name=$(host) && name=${name#-}
  fi
  if [ -n "$name" ]; then echo "host: $name"; fi
}

cp -R "$tree/." "$top/proc/device-tree/" 2>/dev/null
chmod -R u+rwX "$top/proc/device-tree"
taken > "$top/capture.txt"
if [ -n "$redact" ]; then
  # The texts of secret properties are to be found nowhere else either; a short number would be in every address.
  find "$top/proc/device-tree" -type f | while IFS= read -r file; do
    case ${file##*/} in
      @SECRET@) ;;
      *) continue ;;
    esac
    { cat "$file"; echo; tr , '\n' < "$file"; echo; } | tr '\000' '\n'
    case $file in
      *mac-address) [ "$(wc -c < "$file")" -eq 6 ] && od -An -tx1 "$file" | sed 's/^ *//; s/ *$//; s/ /:/g' ;;
    esac
  done | grep '^[!-~][ -~]\{3,\}$' | grep -v '^[0-9]\{1,5\}$' | sort -u > "$work/secrets"
  while IFS= read -r text; do
    printf 's/%s/%s/g\n' "$(printf %s "$text" | sed 's/[][\\.*^$/]/\\&/g')" "$(printf %s "$text" | tr ' -~' x)"
  done < "$work/secrets" > "$work/redact.sed"
  echo 's/U[0-9A-Z]\{4\}\.[0-9A-Z]\{3\}\.[0-9A-Z]\{7\}/Uxxxx.xxx.xxxxxxx/g' >> "$work/redact.sed"
  find "$top/proc/device-tree" -type f | while IFS= read -r file; do
    case ${file##*/} in
      @SECRET@) mask "$file" all ;;
      *) if grep -q 'U[0-9A-Z]\{4\}\.[0-9A-Z]\{3\}\.[0-9A-Z]\{7\}' "$file" ||
           { [ -s "$work/secrets" ] && grep -qF -f "$work/secrets" "$file"; }; then mask "$file" texts; fi ;;
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
  plain "$root/var/log/$file" && tail -c 1048576 "$root/var/log/$file" > "$top/log/$file"
done

if [ -n "$redact" ]; then
  for file in "$top"/proc/cmdline "$top"/proc/version "$top"/proc/iomem "$top"/dmesg "$top"/log/* "$top"/memory/*; do
    [ -f "$file" ] && mask "$file" texts
  done
fi

(cd "$work" && tar cf - capture) > "$work/capture.tar" || fail "tar failed"

packed() { case $1 in
  *.gz|*.tgz) gzip -c "$work/capture.tar" ;;
  *) cat "$work/capture.tar" ;;
esac; }

# A name of its own until it is whole; then a link that fails where there is a file: nobody's is replaced.
put() {
  [ ! -d "$1" ] || fail "$1 is a directory"
  if [ -e "$1" ] && [ ! -f "$1" ]; then packed "$1" > "$1" || fail "$1 cannot be written"; return; fi
  part=$(mktemp "$(dirname "$1")/.drmemctl.XXXXXX") && packed "$1" > "$part" || fail "$1 cannot be written"
  if [ -n "$force" ]; then mv -f "$part" "$1" || fail "$1 cannot be written"
  elif [ -e "$1" ] || [ -L "$1" ] || ! ln "$part" "$1" 2>/dev/null; then
    rm -f "$part"
    [ -e "$1" ] || [ -L "$1" ] || fail "$1 cannot be written"
    return 1
  fi
  rm -f "$part"
}

if [ -n "$out" ]; then
  put "$out" || fail "$out: there is a file already; add --force to replace it"
else
  name=$(host | tr -c '0-9A-Za-z._\n-' _ | sed 's/^\.*//; s/\.*$//' | cut -c1-64)
  base=drmemctl-capture-${name:+$name-}$(date -u +%Y%m%dT%H%M%SZ)
  out=$base.tar.gz number=1 force=
  while ! put "$out"; do number=$((number + 1)); out=$base-$number.tar.gz; done
fi
echo "capture: $out" >&2
