/** The page as the manifests serve it: what the driver makes of their arguments, and the ways that lead to it. */
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../src/cli/command-line.js';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { renderManifests } from '../../../src/manifests/render.js';
import { readPageSettings } from '../../../src/page/page-settings.js';
import { CLUSTERS } from '../manifests/three-ways.js';

interface Mount {
  readonly name: string;
  readonly mountPath: string;
}
interface Deployment {
  readonly spec: {
    template: {
      spec: {
        containers: { name: string; args: string[]; volumeMounts: Mount[] }[];
        volumes: { name: string; secret?: { secretName: string } }[];
      };
    };
  };
}

function rendered(...switches: readonly string[]) {
  const set = [`clusters=${CLUSTERS}`, ...switches.map((name) => `${name}=true`)];
  const objects = renderManifests(readSettings({ set, files: [] }));
  const found = (kind: string, name: string) =>
    objects.find((one) => one.kind === kind && one.metadata.name === name) as unknown;
  const { spec } = (found('Deployment', 'berth-controller') as Deployment).spec.template;
  const { args, volumeMounts } = spec.containers.find(({ name }) => name === 'berth')!;
  const request = parseCommandLine(args, {});
  if (request.kind !== 'serve') throw new Error('the driver does not serve');
  const { options } = request;
  const secret = spec.volumes.find(({ name }) => name === 'page')?.secret?.secretName;
  return { found, options, secret, at: volumeMounts.find(({ name }) => name === 'page')?.mountPath };
}

describe('the page in the manifests', () => {
  it('is off unless it is asked for', () => {
    expect(rendered().options.pageAddress).toBeUndefined();
    expect(rendered().secret).toBeUndefined();
  });

  it('is at 127.0.0.1 of the pod, with a token from its Secret', () => {
    const { options, secret, at, found } = rendered('page');
    expect([secret, at]).toEqual(['berth-page', '/etc/berth-page']);
    const settings = readPageSettings(options.pageAddress!, options);
    expect(settings).toEqual({
      at: { text: '127.0.0.1:9820', host: '127.0.0.1', port: 9820 },
      tokenFile: '/etc/berth-page/token',
      tls: undefined,
    });
    expect(found('Service', 'berth-page')).toBeUndefined();
  });

  it('is served by TLS behind a Service, and let in by the NetworkPolicy', () => {
    const { options, found } = rendered('page', 'pageService', 'networkPolicy');
    const settings = readPageSettings(options.pageAddress!, options);
    expect(settings.tls).toEqual({
      cert: '/etc/berth-page/tls.crt',
      key: '/etc/berth-page/tls.key',
      clientCa: undefined,
    });
    expect(settings.at.host).toBeUndefined();
    const { port } = settings.at;
    const { spec } = found('Service', 'berth-page') as { spec: { ports: unknown[] } };
    expect(spec.ports).toEqual([{ name: 'page', port: 443, targetPort: port }]);
    const policy = found('NetworkPolicy', 'berth-controller') as { spec: { ingress: { ports: { port: number }[] }[] } };
    expect(policy.spec.ingress.flatMap(({ ports }) => ports.map((one) => one.port))).toContain(port);
  });
});
