#!/bin/sh
# End every process of a user and wait until they are gone; needs no pkill.
uid=$(id -u "$1") || exit 0
[ "$uid" -gt 0 ] || exit 1
said=
for _ in 1 2 3 4 5 6 7 8 9 10; do
  found=
  for folder in /proc/[0-9]*; do
    owner=$(stat -c %u "$folder" 2>/dev/null) || continue
    [ "$owner" = "$uid" ] || continue
    found=yes said=yes
    kill -9 "${folder#/proc/}" 2>/dev/null
  done
  [ -z "$found" ] && break
  sleep 1
done
[ -z "$said" ] || echo ended
[ -z "$found" ]
