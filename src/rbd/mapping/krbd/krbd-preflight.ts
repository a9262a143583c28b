/** Everything that can be known before the kernel is asked to map, for its own answers are bare error numbers. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { Exec } from '../../../host/process/exec.js';
import { berthError } from '../../../model/errors.js';
import { imageSpec } from '../../../model/volume-id.js';
import { missingProgram } from '../../../host/process/find-program.js';
import { whyNotModule } from '../kernel-module.js';
import { unsupportedFeatures } from './krbd-features.js';
import { whyNotCluster } from './kernel-limits.js';
import { whyNotMonitors, whyNotV2 } from './krbd-options.js';
import { rbdBus, supportedFeatures } from './krbd-sysfs.js';
import type { ClientDemands } from '../../port.js';
import type { MapRequest } from '../mapper.js';

/** Why krbd cannot work on this node; undefined where it can. Loads the module where it is not loaded yet. */
export async function whyNotKrbd(exec: Exec, sysRoot: string): Promise<string | undefined> {
  const bus = rbdBus(sysRoot);
  const why = missingProgram('rbd') ?? (await whyNotModule(exec, 'rbd', bus));
  if (why !== undefined) return why;
  try {
    accessSync(path.join(bus, 'add'), constants.W_OK);
    return undefined;
  } catch {
    // EROFS: a container that was not given the host's /sys, or is not privileged.
    return `${bus}/add cannot be written: is /sys mounted read-only?`;
  }
}

/** BERTH_MAPPER_UNAVAILABLE, BERTH_FEATURES_UNSUPPORTED naming the features. */
export async function checkKrbdRequest(
  exec: Exec,
  sysRoot: string,
  kernelRelease: string,
  request: MapRequest,
): Promise<void> {
  const why = (await whyNotKrbd(exec, sysRoot)) ?? whyNotMonitors(request.image.access.monitors, kernelRelease);
  if (why !== undefined) throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'krbd', why });
  const supported = supportedFeatures(sysRoot);
  const features = supported === undefined ? [] : unsupportedFeatures(request.features, supported);
  if (features.length === 0) return;
  throw berthError('BERTH_FEATURES_UNSUPPORTED', {
    image: imageSpec(request.image),
    mapper: 'krbd',
    features: features.join(','),
  });
}

/** BERTH_MAPPER_UNAVAILABLE where the cluster asks its clients for something that this kernel's does not know. */
export function checkDemands(demands: ClientDemands, kernelRelease: string): void {
  const v2 = demands.v2Only ? whyNotV2(kernelRelease) : undefined;
  const why = v2 ?? whyNotCluster(demands);
  if (why !== undefined) throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'krbd', why });
}
