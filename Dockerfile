# Berth's image, for amd64 and arm64 alike: what does not depend on the architecture is made on the builder's own.
# docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/berth:0.1.0 .
# npm run image builds it as well, where there is neither a Docker engine nor a registry (docs/install.md).
# Each base is pinned; whoever moves one on moves its digest. What apt brings is as new as its mirror, and in the SBOM.
ARG NODE_IMAGE=node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe
ARG BASE_IMAGE=debian:trixie-slim@sha256:d7e12182ce18b85b93007c1dedf31f2d29e01ccf3182cc4017c709b6259bc132

# TypeScript to JavaScript: the same for every architecture.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /opt/berth
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json rolldown.config.js ./
COPY proto proto
COPY flexvolume flexvolume
COPY src src
RUN npm run build && chmod 0755 dist/src/main.js && find dist -name '*.map' -delete && test ! -e dist/src/dev && test ! -e dist/dev && test ! -e dist/bench

# What it needs to run, with the one prebuilt koffi and the node of the target's architecture: downloaded, never executed, so no
# emulation. The node is the same file whoever builds, wherever his base is from.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS dependencies
ARG TARGETARCH
ARG NODE_VERSION=24.21.0
ARG NODE_SHA256_AMD64=7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c
ARG NODE_SHA256_ARM64=0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584
WORKDIR /opt/berth
COPY package.json package-lock.json .npmrc ./
RUN case "$TARGETARCH" in amd64) cpu=x64 sum="$NODE_SHA256_AMD64" ;; arm64) cpu=arm64 sum="$NODE_SHA256_ARM64" ;; esac \
 && npm ci --omit=dev --ignore-scripts --os=linux --cpu="$cpu" --libc=glibc \
 && test "$(ls node_modules/@koromix)" = "koffi-linux-$cpu" \
 && mkdir /node && cd /node && npm pack --silent "node-linux-$cpu@$NODE_VERSION" \
 && tar -xzf "node-linux-$cpu-$NODE_VERSION.tgz" --strip-components=2 package/bin/node && rm ./*.tgz \
 && echo "$sum  node" | sha256sum --check

# Ceph's client and the programs that the driver starts, with all else of a Debian taken away.
FROM ${BASE_IMAGE} AS system
# An apt source (deb822) of another Ceph release; see docs/install.md.
ARG CEPH_SOURCES=deploy/image/distribution.sources
COPY ${CEPH_SOURCES} /tmp/ceph.sources
COPY deploy/image/leave-only.sh /tmp/
# Of ceph-common only the rbd command, for the kernel client: the rest of it is Python and 50 MB. xfs_scrub, which nobody starts, would
# bring ICU with 37 MB. ca-certificates only where the other source needs it. No file is setuid or setgid: nobody here needs to be another.
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update \
 && if grep -q '^URIs:.*https:' /tmp/ceph.sources; then apt-get install -y --no-install-recommends ca-certificates; fi \
 && mv /tmp/ceph.sources /etc/apt/sources.list.d/ceph.sources \
 && echo 'path-exclude=/usr/sbin/xfs_scrub*' > /etc/dpkg/dpkg.cfg.d/berth \
 && apt-get update && apt-get upgrade -y \
 && apt-get install -y --no-install-recommends \
      diffutils e2fsprogs kmod librados2 librbd1 libstdc++6 mount rbd-nbd util-linux xfsprogs \
      $(apt-cache depends ceph-common | sed -n 's/^ *Depends: \(lib.*\)/\1/p') \
 && cd /tmp && apt-get download ceph-common \
 && dpkg --force-depends --path-exclude='/*' --path-include=/usr/bin/rbd --unpack /tmp/ceph-common_*.deb \
 && sh /tmp/leave-only.sh \
      base-files base-passwd bash ceph-common coreutils dash diffutils dpkg e2fsprogs findutils grep kmod libc-bin librados2 \
      librbd1 libstdc++6 mount rbd-nbd sed tar util-linux xfsprogs \
 && find / -xdev -type f -perm /6000 -exec chmod ug-s {} + \
 && rm -rf /tmp/* /var/lib/apt /var/cache/* /var/log/* /var/lib/dpkg/*-old /etc/apt /usr/lib/python3* \
      /usr/share/zsh /usr/share/bash-completion

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="berth" \
      org.opencontainers.image.description="CSI driver for Ceph RBD, for pods in virtual machines and in containers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# As one layer, so that what was taken away is not in another one.
COPY --from=system / /
COPY --from=dependencies /node/node /usr/local/bin/node
WORKDIR /opt/berth
COPY package.json ./
COPY proto proto
COPY deploy/image/alive.js deploy/image/self-check.js deploy/image/sbom.js deploy/image/
# The FlexVolume driver's installer; the driver itself runs on a copy of this image's node (docs/flexvolume.md).
COPY flexvolume/install.sh flexvolume/
# What `berth manifests` prints.
COPY deploy/kubernetes deploy/kubernetes
COPY deploy/site deploy/site
# What the controller's page shows (docs/page.md).
COPY page page
COPY docs/runbook.md docs/trace.md docs/errors.md docs/operations.md docs/
COPY --from=dependencies /opt/berth/node_modules node_modules
COPY --from=build /opt/berth/dist dist
# berth: for a person who runs a command in the container: kubectl exec ... -- berth doctor
# In each architecture: every program that the driver starts is there with its libraries, and the foreign functions can be called. An
# image that was put together wrongly (another architecture's binary in it) does not get built. At last what is in it, as CycloneDX.
RUN ln -s /opt/berth/dist/src/main.js /usr/local/bin/berth \
 && for program in blkid blockdev chgrp chmod chroot cmp dmesg e2fsck find flock losetup mkfs.ext4 mkfs.xfs modprobe mount rbd rbd-nbd \
      resize2fs setpriv sha256sum sleep stat sync tee timeout umount unshare xfs_db xfs_growfs xfs_repair; do \
      found=$(command -v "$program") || { echo "$program is missing"; exit 1; }; \
      if ldd "$found" 2>&1 | grep 'not found'; then echo "$program lacks a library"; exit 1; fi; \
    done \
 && node --version && rbd --version && rbd-nbd --version \
 && berth --version \
 && node deploy/image/self-check.js \
 && node deploy/image/sbom.js > sbom.cdx.json

# The heap of the driver (its librbd worker has limits of its own): without them Node 24 grows to twice this before it collects.
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-semi-space-size=2 --max-old-space-size=96"
# The node plugin needs root and says so in its manifest; the controller does not.
USER 65532:65532
ENTRYPOINT ["node", "/opt/berth/dist/src/main.js"]
