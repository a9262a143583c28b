#!/bin/sh
# Installs the FlexVolume driver on a node, once it has answered there: see --help. The kubelet at once runs whatever
# appears in its plugin directory, even half a file, and passes over dot-names: so all is written under those, and the
# driver appears by a rename.
set -eu

help() {
  cat << 'EOF'
usage: install.sh [OPTIONS] BINARY      install it; what is there stays where it does not run
       install.sh [OPTIONS] --rollback  take back the version before
       install.sh [OPTIONS] --remove    remove the driver, where no pod has a volume by it

  --plugins DIR      the kubelet's --volume-plugin-dir (/usr/libexec/kubernetes/kubelet-plugins/volume/exec)
  --driver NAME      VENDOR~DRIVER (hyper~cephrbd)
  --kubelet-dir DIR  the kubelet's root, below which the agent's socket lies (/var/lib/kubelet)
  --socket PATH      of the agent, where it is another one
  --attach           Kubernetes attaches volumes before they are mounted
  --node FILE        BINARY is a script: it runs on a copy of this node, which is put beside it
  --root DIR         in a container: where the node's root is seen, in which the driver has to run; the other paths are
                     the same in both
EOF
}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}
misused() {
  echo "install.sh: $* (--help lists the options)" >&2
  exit 2
}

plugins=/usr/libexec/kubernetes/kubelet-plugins/volume/exec
driver=hyper~cephrbd
kubelet=/var/lib/kubelet
socket=
attach=false
node=
root=
act=install
while [ $# -gt 0 ]; do
  case "$1" in --*=*)
    value=${1#*=}
    option=${1%%=*}
    shift
    set -- "$option" "$value" "$@"
    ;;
  esac
  case "$1" in
    --help) help; exit 0 ;;
    --attach) attach=true; shift; continue ;;
    --rollback | --remove) act=${1#--}; shift; continue ;;
    --plugins | --driver | --kubelet-dir | --socket | --node | --root) [ $# -gt 1 ] || misused "$1 wants a value" ;;
    -*) misused "unknown option $1" ;;
    *) break ;;
  esac
  case "$1" in
    --plugins) plugins=$2 ;;
    --driver) driver=$2 ;;
    --kubelet-dir) kubelet=$2 ;;
    --socket) socket=$2 ;;
    --node) node=$2 ;;
    --root) root=${2%/} ;;
  esac
  shift 2
done
case "$driver" in
  */* | .* | *~*~*) misused "$driver is not VENDOR~DRIVER" ;;
  ?*~?*) ;;
  *) misused "$driver is not VENDOR~DRIVER" ;;
esac
name=${driver#*~}
: "${socket:=$kubelet/plugins/rbd.csi.berth.dev/flexvolume.sock}"
home=$plugins/$driver

# What the kubelet asks first, asked where it will ask it: with the node's libraries. $said is what came of it.
answers() {
  if [ -n "$root" ]; then set -- chroot "$root" "$home/$1"; else set -- "$home/$1"; fi
  said=$(timeout 60 "$@" init 2>&1) || {
    said="$said (exit code $?)"
    return 1
  }
  case "$said" in '{'*'"status":"Success"'*) return 0 ;; esac
  return 1
}

# Copies that no version starts any more. A running one keeps its file.
forget_nodes() {
  for one in "$home/.$name.node-"*; do
    [ -e "$one" ] || continue
    for version in "$home/$name" "$home/.$name.previous"; do
      if [ -e "$version" ] && head -c 256 "$version" | head -n 1 | grep -qF "/${one##*/}"; then continue 2; fi
    done
    rm -f "$one"
  done
}

put() {
  rm -f "$2"
  cp "$1" "$2"
  chmod 0755 "$2"
}

settle() {
  sync "$1" 2> /dev/null || sync
}

remove() {
  [ -d "$home" ] || return 0
  for volume in "$kubelet"/pods/*/volumes/"$driver"/*; do
    # By its name alone: a look at what is mounted there may hang. Unchanged, the pattern matches nothing.
    case "$volume" in */pods/\*/*) continue ;; esac
    fail "$volume is a pod's volume, which could not be unmounted any more: end the pod first"
  done
  rm -f "$home/$name" "$home/.$name".* "$home/..$name.new.json"
  rmdir "$home"
}

rollback() {
  [ -e "$home/.$name.previous" ] || fail "there is no version before at $home/.$name.previous"
  answers ".$name.previous" || fail "the version before does not run here, and nothing was changed: $said"
  ln -f "$home/$name" "$home/.$name.undone" 2> /dev/null || true
  mv -f "$home/.$name.previous" "$home/$name"
  [ ! -e "$home/.$name.undone" ] || mv -f "$home/.$name.undone" "$home/.$name.previous"
}

# The script with its first line, by which the kernel finds its node.
compose() {
  if [ ! -e "$runtime" ]; then
    put "$node" "$home/.$name.runtime"
    settle "$home/.$name.runtime"
    mv -f "$home/.$name.runtime" "$runtime"
  fi
  { printf '#!%s\n' "$runtime"; sed '1{/^#!/d;}' "$1"; } > "$home/.$name.new"
  chmod 0755 "$home/.$name.new"
}

install() {
  runtime=
  [ -z "$node" ] || runtime=$home/.$name.node-$(sha256sum "$node" | cut -c 1-12)
  # 127 bytes is what kernels before 5.1 read of a first line.
  [ ${#runtime} -le 124 ] || fail "$runtime is too long a path for the first line of a script (--plugins)"
  mkdir -p "$home" || fail "$home cannot be made; where the root is read-only give --plugins and the kubelet the same --volume-plugin-dir"
  # One at a time; where flock is missing, whoever installs by hand does it alone.
  exec 9< "$home"
  flock 9 2> /dev/null || true
  rm -f "$home/.$name.new" "$home/..$name.new.json"
  if [ -n "$node" ]; then compose "$1"; else put "$1" "$home/.$name.new"; fi
  # Where it looks for its settings while it has that name.
  printf '{"socket":"%s","attach":%s}\n' "$socket" "$attach" > "$home/..$name.new.json"
  settle "$home/.$name.new"
  if ! answers ".$name.new"; then
    rm -f "$home/.$name.new" "$home/..$name.new.json"
    forget_nodes
    [ -e "$home/$name" ] || rmdir "$home" 2> /dev/null || true
    fail "$1 does not run on this node, and nothing was changed: $said"
  fi
  rm -f "$home/.$name.before.json"
  [ ! -e "$home/.$name.json" ] || cp "$home/.$name.json" "$home/.$name.before.json"
  mv -f "$home/..$name.new.json" "$home/.$name.json"
  # The same again would only have the kubelet probe again.
  if cmp -s "$home/.$name.new" "$home/$name"; then
    rm -f "$home/.$name.new" "$home/.$name.before.json"
    return 0
  fi
  # Never a moment without a driver: the old one has two names until the new one takes the first of them.
  [ ! -e "$home/$name" ] || ln -f "$home/$name" "$home/.$name.previous"
  mv -f "$home/.$name.new" "$home/$name"
  answers "$name" || undo
  rm -f "$home/.$name.before.json"
  forget_nodes
}

# It ran under its first name and not in its place.
undo() {
  why=$said
  if [ -e "$home/.$name.previous" ]; then
    [ ! -e "$home/.$name.before.json" ] || mv -f "$home/.$name.before.json" "$home/.$name.json"
    mv -f "$home/.$name.previous" "$home/$name"
    forget_nodes
    fail "it does not run as $home/$name, and the version before is there again: $why"
  fi
  rm -f "$home/$name" "$home/.$name".*
  rmdir "$home"
  fail "it does not run as $home/$name, and was removed again: $why"
}

case "$act" in
  install) [ $# -eq 1 ] || misused 'one BINARY is wanted'; install "$1" ;;
  *) [ $# -eq 0 ] || misused "--$act takes no BINARY"; "$act" ;;
esac
