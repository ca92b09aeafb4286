#!/bin/bash
# A phone's first process: its file system in namespaces of its own, then wait for the end of stdin.
set -euo pipefail
umask 022
work=$1 root=$2 state=$3 size=$4

read -r host_pid _ </proc/self/stat
hostname localhost
mount -t tmpfs -o size=64m,mode=755 phone "$work"
mkdir -p "$work"/{upper,work,root}
mount -t overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" phone "$work/root"
cd "$work/root"
mkdir -p state
mount -t proc -o hidepid=0 proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mount -t tmpfs -o "size=$size,mode=771,uid=2000,gid=2000" data data/local/tmp
mount -t tmpfs -o size=1m,mode=777 state state
cp "$state"/* state/
chmod 666 state/*
# What the adb shell may not read on many phones.
touch closed && chmod 000 closed
mount --bind closed proc/loadavg
mount --bind closed proc/pressure/cpu 2>/dev/null || true

echo "ready $host_pid"
while read -r _; do :; done
