#!/bin/sh
# enter.sh ROOT SCRATCH PACKAGE USER QEMU BIND... -- NODE PROGRAM ARGUMENT...: runs PROGRAM of the package as a container
# of the image would: / is ROOT and read-only, but for /tmp, /run and each BIND, which has the same path in it. USER is
# root, or the number of somebody without any capability. QEMU, where it is not "none", is a root whose storage daemon
# the development mapper finds. To be started in a mount namespace of its own; the process stays the same.
set -eu
root=$1 scratch=$2 package=$3 user=$4 qemu=$5
shift 5

mount -t tmpfs layers "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/new"
new=$scratch/new
mount -t overlay image -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" "$new"
mkdir -p "$new/proc" "$new/sys" "$new/dev" "$new/tmp" "$new/run"
mount -t proc proc "$new/proc"
mount --rbind /sys "$new/sys"
mount --rbind /dev "$new/dev"
for place in tmp run; do mount -t tmpfs -o mode=1777 "$place" "$new/$place"; done
bind() {
  mkdir -p "$new$2"
  mount --rbind "$1" "$new$2"
}
while [ "$1" != -- ]; do
  bind "$1" "$1"
  shift
done
# The program from the image itself; what it does not ship comes from the package.
case $3 in
  "$package/dist/dev/"*) bind "$package/dist/dev" /opt/berth/dist/dev ;;
esac
program=/opt/berth${3#"$package"}
shift 3
if [ "$qemu" != none ]; then
  bind "$qemu" /opt/qemu
  libraries=$(cd "$qemu" && echo usr/lib/*-linux-gnu)
  {
    echo '#!/bin/sh'
    echo "export LD_LIBRARY_PATH=/opt/qemu/$libraries QEMU_MODULE_DIR=/opt/qemu/$libraries/qemu"
    echo 'exec /opt/qemu/usr/bin/qemu-storage-daemon "$@"'
  } > "$new/usr/local/bin/qemu-storage-daemon"
  chmod 0755 "$new/usr/local/bin/qemu-storage-daemon"
fi
mount -o remount,ro "$new"

if [ "$user" = root ]; then
  set -- node "$program" "$@"
else
  set -- setpriv "--reuid=$user" "--regid=$user" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
    node "$program" "$@"
fi
exec chroot "$new" "$@"
