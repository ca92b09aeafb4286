#!/bin/bash
# A device's first process: build its file system in namespaces of its own, then wait for the end of stdin.
# When the starter dies, however it dies, the pipe ends, this process ends, and the kernel takes the rest.
# Told by its environment: WORK USER_NAME USER_ID HOME_BYTES DISK_BYTES HOST_NAME HIDE_PYTHON OWN_SYS LOWER.
set -euo pipefail
umask 022 # the device's user must pass, whatever the starter's umask

read -r host_pid _ </proc/self/stat # before /proc is the namespace's own

hostname "$HOST_NAME"
mount -t tmpfs -o "size=$DISK_BYTES,mode=755" zoo "$WORK"
mkdir -p "$WORK"/{upper,work,root}
mount -t overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/work" zoo "$WORK/root"
cd "$WORK/root"

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
if [ "$OWN_SYS" = yes ]; then # a copy that may be written: what is written there never reaches the kernel
  mkdir -p "$WORK"/sys/{upper,work}
  mount -t overlay -o "lowerdir=sys,upperdir=$WORK/sys/upper,workdir=$WORK/sys/work" sys sys
fi
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o size=64m,mode=1777 shm dev/shm
mount -t tmpfs -o "size=$DISK_BYTES,mode=1777" tmp tmp
mount -t tmpfs -o size=16m,mode=755 run run
mkdir -p run/sshd "home/$USER_NAME"
mount -t tmpfs -o "size=$HOME_BYTES,mode=700,uid=$USER_ID,gid=$USER_ID" home "home/$USER_NAME"

echo "$USER_NAME:x:$USER_ID:$USER_ID::/home/$USER_NAME:/bin/bash" >>etc/passwd
echo "$USER_NAME:x:$USER_ID:" >>etc/group
echo "$USER_NAME:*:19000::::::" >>etc/shadow
rm -f etc/hosts etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$HOST_NAME" >etc/hosts
echo "$HOST_NAME" >etc/hostname
mkdir -p etc/zoo

# The given files, where one of our own mounts hides them (an environment below /tmp): with their folder.
# Then the directories on the way, which the device's user may have to pass: the copy's, not ours.
folders=() there=()
while read -r path && [ -n "$path" ]; do
  if [ -e "$path" ] && [ ! -e ".$path" ] && [ ! -L ".$path" ]; then
    folder=$(dirname "$(dirname "$path")")
    mkdir -p ".$folder"
    mount --bind "$folder" ".$folder"
    mount -o remount,bind,ro ".$folder"
  fi
  path=${path%/*}
  while [ -n "$path" ]; do
    folders+=(".$path")
    path=${path%/*}
  done
done
for folder in "${folders[@]}"; do # some are made later
  [ -d "$folder" ] && there+=("$folder")
done
[ ${#there[@]} = 0 ] || find "${there[@]}" -maxdepth 0 ! -perm -o=x -exec chmod a+x {} +
if [ "$HIDE_PYTHON" = yes ]; then
  rm -f {usr/,usr/local/,}bin/python*
fi

echo "ready $host_pid"
while read -r _; do :; done # a builtin: bash goes on reaping orphans meanwhile
