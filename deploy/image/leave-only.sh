#!/bin/sh
# leave-only.sh PACKAGE...: takes away every package of a Debian but these and those with a library that they load.
# dpkg's list stays true, so that an SBOM and a scanner see what is there, and nothing else.
set -eu

# kmod opens these by name, for packed modules.
kept="$* liblzma5 libzstd1 zlib1g"

libraries() {
  dpkg-query -L $kept | sort -u | while read -r file; do
    case "$file" in */bin/* | */sbin/* | /usr/lib/* | /lib/*) if [ -f "$file" ]; then ldd "$file" 2>/dev/null || true; fi ;; esac
  done | sed -n 's,^.* => \(/[^ ]*\) (.*,\1,p; s,^[[:space:]]*\(/[^ ]*\) (.*,\1,p' | sort -u | xargs realpath | sort -u
}

# A package may name its files by the places that they had before /usr was merged.
owners() {
  while read -r file; do dpkg-query -S "$file" 2>/dev/null || dpkg-query -S "${file#/usr}"; done | sed 's/:.*//'
}

keep=$(mktemp)
{ printf '%s\n' $kept; libraries | owners; } | sort -u > "$keep"
gone=$(dpkg-query -W -f '${Package}\n' | sort -u | comm -23 - "$keep")
# Their scripts would need each other; what they would undo is gone as well.
for package in $gone; do rm -f "/var/lib/dpkg/info/$package".p*rm "/var/lib/dpkg/info/$package":*.p*rm; done
dpkg --purge --force-depends --force-remove-essential --force-remove-protected $gone
rm "$keep"
