/** The Identity service, through the socket. */
import { describe, expect, it } from 'vitest';
import type { GetPluginCapabilitiesResponse__Output } from '../../../src/csi/gen/csi/v1/GetPluginCapabilitiesResponse.js';
import type { GetPluginInfoResponse__Output } from '../../../src/csi/gen/csi/v1/GetPluginInfoResponse.js';
import type { ProbeResponse__Output } from '../../../src/csi/gen/csi/v1/ProbeResponse.js';
import { identityService, type ReadinessAnswer } from '../../../src/csi/identity-service.js';
import { contract } from '../../../src/csi/proto.js';
import { call, edge as newEdge } from './edge.js';

const { v1 } = contract();
const edge = newEdge();

let readiness: ReadinessAnswer = { ready: true, why: undefined };

describe('Identity', () => {
  it('tells name, version and capabilities', async () => {
    await edge.serve({ Identity: identityService({ readiness: () => readiness }) });
    const identity = edge.client(v1.Identity);
    const info = await call<GetPluginInfoResponse__Output>((done) => identity.GetPluginInfo({}, done));
    expect(info.response).toMatchObject({ name: 'rbd.csi.berth.dev' });
    expect(info.response?.vendorVersion).toMatch(/^\d+\.\d+\.\d+/);
    const { response } = await call<GetPluginCapabilitiesResponse__Output>((done) =>
      identity.GetPluginCapabilities({}, done),
    );
    expect(response?.capabilities).toMatchObject([
      { service: { type: 'CONTROLLER_SERVICE' } },
      { service: { type: 'GROUP_CONTROLLER_SERVICE' } },
      { service: { type: 'SNAPSHOT_METADATA_SERVICE' } },
      { volumeExpansion: { type: 'ONLINE' } },
    ]);
    expect(response?.capabilities).toHaveLength(4);
  });

  it('is not ready, without an error, while something is missing, and says so once', async () => {
    await edge.serve({ Identity: identityService({ readiness: () => readiness }) });
    const identity = edge.client(v1.Identity);
    const probe = async () => {
      const { response } = await call<ProbeResponse__Output>((done) => identity.Probe({}, done));
      return response?.ready?.value;
    };
    expect(await probe()).toBe(true);
    readiness = { ready: false, why: 'cluster a cannot be reached' };
    expect(await probe()).toBe(false);
    expect(await probe()).toBe(false);
    expect(edge.lines.filter((line) => line['why'] === 'cluster a cannot be reached')).toHaveLength(1);
    readiness = { ready: true, why: undefined };
    expect(await probe()).toBe(true);
  });

  it('is not ready where readiness itself fails', async () => {
    await edge.serve({
      Identity: identityService({
        readiness: () => {
          throw new Error('no state');
        },
      }),
    });
    const { error, response } = await call<ProbeResponse__Output>((done) => edge.client(v1.Identity).Probe({}, done));
    expect(error).toBeNull();
    expect(response?.ready).toEqual({ value: false });
  });
});
