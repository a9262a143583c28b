/** The Identity service: who this plugin is, what it can do as a whole, and whether it can do its work now. */
import type { PluginCapability } from './gen/csi/v1/PluginCapability.js';
import { packageVersion } from '../model/package-root.js';
import type { IdentityService } from './grpc-server.js';

/** The driver's name in GetPluginInfo, in the CSIDriver object and as provisioner of a StorageClass. */
export const DRIVER_NAME = 'rbd.csi.berth.dev';

export interface ReadinessAnswer {
  readonly ready: boolean;
  /** What is missing, for the log; undefined when ready. */
  readonly why: string | undefined;
}

/** The same from controller and node instances, as CSI demands of one vendor_version. */
const CAPABILITIES: PluginCapability[] = [
  { service: { type: 'CONTROLLER_SERVICE' } },
  { service: { type: 'GROUP_CONTROLLER_SERVICE' } },
  { service: { type: 'SNAPSHOT_METADATA_SERVICE' } },
  { volumeExpansion: { type: 'ONLINE' } },
];

/** @param readiness asked at every Probe; must answer from memory, the liveness probe waits 3 s at most */
export function identityService({
  readiness,
}: {
  readonly readiness: () => ReadinessAnswer;
}): Required<IdentityService> {
  const vendorVersion = packageVersion();
  let said: string | undefined;
  return {
    GetPluginInfo: () => Promise.resolve({ name: DRIVER_NAME, vendorVersion }),
    GetPluginCapabilities: () => Promise.resolve({ capabilities: CAPABILITIES }),
    Probe: (_request, { log }) => {
      // ready=false, never an error: sidecars exit for good when their first Probe fails with a status.
      const { ready, why } = readinessOf(readiness);
      if (why !== said) log.warn({ why }, ready ? 'ready' : 'not ready');
      said = why;
      return Promise.resolve({ ready: { value: ready } });
    },
  };
}

function readinessOf(readiness: () => ReadinessAnswer): ReadinessAnswer {
  try {
    return readiness();
  } catch (error) {
    return { ready: false, why: error instanceof Error ? error.message : 'readiness could not be determined' };
  }
}
