#!/bin/sh
# The guest's process 1 once the host's files are its root: network, udevd, the shares, then one test file, then the
# end.
. /run/berth-vm-settings
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
hostname berth-vm
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
# systemd would have done it: a CSI driver's mounts are to be seen in other namespaces.
mount --make-rshared /
mkdir -p /mnt/share /mnt/state
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,rw share /mnt/share || echo 'berth: no share'
mount /dev/vda /mnt/state || echo 'berth: no disk for the state'
ip link set lo up
for link in /sys/class/net/*; do
  name=${link##*/}
  [ "$name" = lo ] && continue
  # What QEMU's user network gives to its only guest.
  ip link set "$name" up
  ip address add 10.0.2.15/24 dev "$name"
  ip route add default via 10.0.2.2
done
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=block
cut -d' ' -f1 /proc/uptime > /mnt/share/booted
cd "$PACKAGE" || echo 'berth: no package'
export BERTH_VM_SESSION=/mnt/share/session.json BERTH_VM_RESULTS=/mnt/share/results
"$NODE" --test-reporter="$PACKAGE/dist/test/vm/inside/reporter.js" "$TEST" > /mnt/share/output 2>&1
echo $? > /mnt/share/code
# Nothing is synced or unmounted: with a cluster that was left frozen it would wait for ever.
echo b > /proc/sysrq-trigger
