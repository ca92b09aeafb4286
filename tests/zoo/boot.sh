#!/bin/bash
# A device's first process: build its file system in namespaces of its own, then wait for the end of stdin.
# When the starter dies, however it dies, the pipe ends, this process ends, and the kernel takes the rest.
set -euo pipefail
umask 022 # the device's user must pass, whatever the starter's umask
work=$1 user=$2 uid=$3 home_size=$4 hostname=$5 hide_python=$6

read -r host_pid _ </proc/self/stat # before /proc is the namespace's own

hostname "$hostname"
mount -t tmpfs -o size=256m,mode=755 zoo "$work"
mkdir -p "$work"/{upper,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" zoo "$work/root"
cd "$work/root"

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
ln -s /proc/self/fd dev/fd
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o size=64m,mode=1777 shm dev/shm
mount -t tmpfs -o size=64m,mode=1777 tmp tmp
mount -t tmpfs -o size=16m,mode=755 run run
mkdir -p run/sshd "home/$user"
mount -t tmpfs -o "size=$home_size,mode=700,uid=$uid,gid=$uid" home "home/$user"

echo "$user:x:$uid:$uid::/home/$user:/bin/bash" >>etc/passwd
echo "$user:x:$uid:" >>etc/group
echo "$user:*:19000::::::" >>etc/shadow
mkdir -p etc/zoo

# The given files, where one of our own mounts hides them (an environment below /tmp): with their folder.
# Then the directories on the way, which the device's user may have to pass: the copy's, not ours.
while read -r path && [ -n "$path" ]; do
  if [ -e "$path" ] && [ ! -e ".$path" ] && [ ! -L ".$path" ]; then
    folder=$(dirname "$(dirname "$path")")
    mkdir -p ".$folder"
    mount --bind "$folder" ".$folder"
    mount -o remount,bind,ro ".$folder"
  fi
  while [ "$path" != / ]; do
    path=$(dirname "$path")
    [ -n "$(find ".$path" -maxdepth 0 -perm -o=x)" ] || chmod a+x ".$path"
  done
done
if [ "$hide_python" = yes ]; then
  rm -f {usr/,usr/local/,}bin/python*
fi

echo "ready $host_pid"
while read -r _; do :; done # a builtin: bash goes on reaping orphans meanwhile
