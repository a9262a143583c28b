# Berth's image, for amd64 and arm64 alike: what does not depend on the architecture is made on the builder's own.
# docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/berth:0.1.0 .
ARG NODE_IMAGE=node:24-bookworm-slim
ARG BASE_IMAGE=debian:bookworm-slim

# TypeScript to JavaScript: the same for every architecture.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /opt/berth
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json rolldown.config.js ./
COPY proto proto
COPY src src
RUN npm run build && chmod 0755 dist/src/main.js && find dist -name '*.map' -delete && test ! -e dist/src/dev && test ! -e dist/dev && test ! -e dist/bench

# What it needs to run, with the one prebuilt koffi of the target's architecture: downloaded, never executed, so no emulation.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS dependencies
ARG TARGETARCH
WORKDIR /opt/berth
COPY package.json package-lock.json .npmrc ./
RUN case "$TARGETARCH" in amd64) cpu=x64 ;; *) cpu="$TARGETARCH" ;; esac \
 && npm ci --omit=dev --ignore-scripts --os=linux --cpu="$cpu" --libc=glibc \
 && test "$(ls node_modules/@koromix)" = "koffi-linux-$cpu"

# Only its node binary is taken: no npm, no yarn.
FROM ${NODE_IMAGE} AS node

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
# An apt source (deb822) of another Ceph release; see docs/install.md.
ARG CEPH_SOURCES=deploy/image/distribution.sources
LABEL org.opencontainers.image.title="berth" \
      org.opencontainers.image.description="CSI driver for Ceph RBD, for pods in virtual machines and in containers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY ${CEPH_SOURCES} /tmp/ceph.sources
# ceph-common: the rbd command, for the kernel client. ca-certificates only where the other source needs it.
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update \
 && if grep -q '^URIs:.*https:' /tmp/ceph.sources; then apt-get install -y --no-install-recommends ca-certificates; fi \
 && mv /tmp/ceph.sources /etc/apt/sources.list.d/ceph.sources \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
      ceph-common diffutils e2fsprogs kmod librados2 librbd1 libstdc++6 mount rbd-nbd util-linux xfsprogs \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log

COPY --from=node /usr/local/bin/node /usr/local/bin/node
WORKDIR /opt/berth
COPY package.json ./
COPY proto proto
COPY deploy/image/alive.js deploy/image/self-check.js deploy/image/
COPY --from=dependencies /opt/berth/node_modules node_modules
COPY --from=build /opt/berth/dist dist
# For a person who runs a command in the container: kubectl exec ... -- berth doctor
RUN ln -s /opt/berth/dist/src/main.js /usr/local/bin/berth

# In each architecture: every program that the driver starts is there, and the foreign functions can be called. An image that was put
# together wrongly (another architecture's binary in it) does not get built.
RUN for program in blkid blockdev chgrp chmod cmp dmesg e2fsck find flock losetup mkfs.ext4 mkfs.xfs modprobe mount rbd rbd-nbd \
      resize2fs setpriv stat tee umount unshare xfs_growfs; do \
      command -v "$program" >/dev/null || { echo "$program is missing"; exit 1; }; \
    done \
 && node --version && rbd --version && rbd-nbd --version \
 && berth --version \
 && node deploy/image/self-check.js

# The heap of the driver (its librbd worker has limits of its own): without them Node 24 grows to twice this before it collects.
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-semi-space-size=2 --max-old-space-size=96"
# The node plugin needs root and says so in its manifest; the controller does not.
USER 65532:65532
ENTRYPOINT ["node", "/opt/berth/dist/src/main.js"]
