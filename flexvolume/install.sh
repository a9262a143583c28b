#!/bin/sh
# Installs the FlexVolume driver on a node: the settings first, then the binary under a dot-name, and a rename. For the
# kubelet at once runs whatever else appears in its plugin directory, even half a file.
#   install.sh [--plugins DIR] [--driver hyper~cephrbd] [--kubelet-dir DIR] [--socket PATH] [--attach] [--remove] BINARY
set -eu
plugins=/usr/libexec/kubernetes/kubelet-plugins/volume/exec
driver=hyper~cephrbd
# The kubelet's root; the agent's socket lies below it.
kubelet=/var/lib/kubelet
socket=
attach=false
remove=false
while [ $# -gt 0 ]; do
  case "$1" in
    --plugins) plugins=$2; shift 2 ;;
    --driver) driver=$2; shift 2 ;;
    --kubelet-dir) kubelet=$2; shift 2 ;;
    --socket) socket=$2; shift 2 ;;
    --attach) attach=true; shift ;;
    --remove) remove=true; shift ;;
    -*) echo "install.sh: unknown option $1" >&2; exit 2 ;;
    *) break ;;
  esac
done
case "$driver" in
  */* | .* | *~*~*) echo "install.sh: $driver is not VENDOR~DRIVER" >&2; exit 2 ;;
  ?*~?*) ;;
  *) echo "install.sh: $driver is not VENDOR~DRIVER" >&2; exit 2 ;;
esac
name=${driver#*~}
: "${socket:=$kubelet/plugins/rbd.csi.berth.dev/flexvolume.sock}"
directory=$plugins/$driver
if [ "$remove" = true ]; then
  rm -f "$directory/$name" "$directory/.$name.json" "$directory/.$name.new"
  [ ! -d "$directory" ] || rmdir "$directory"
  exit 0
fi
binary=${1:?the path of the binary}
mkdir -p "$directory" || {
  echo "install.sh: $directory cannot be made; where the root is read-only give --plugins and the kubelet the same --volume-plugin-dir" >&2
  exit 1
}
printf '{"socket":"%s","attach":%s}\n' "$socket" "$attach" >"$directory/.$name.json.new"
mv -f "$directory/.$name.json.new" "$directory/.$name.json"
# The same again would only have the kubelet probe again.
if cmp -s "$binary" "$directory/$name"; then exit 0; fi
rm -f "$directory/.$name.new"
cp "$binary" "$directory/.$name.new"
chmod 0755 "$directory/.$name.new"
sync "$directory/.$name.new" 2>/dev/null || sync
mv -f "$directory/.$name.new" "$directory/$name"
