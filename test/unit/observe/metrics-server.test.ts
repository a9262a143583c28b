/** Counters over HTTP. */
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { Counters } from '../../../src/observe/metrics.js';
import { serveMetrics, type MetricsServer } from '../../../src/observe/metrics-server.js';

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const running: MetricsServer[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function served(): Promise<{ counters: Counters; url: string }> {
  const counters = new Counters();
  const server = await serveMetrics(counters, '127.0.0.1:0');
  running.push(server);
  return { counters, url: `http://127.0.0.1:${server.port}` };
}

describe('the metrics server', () => {
  it('shows a counter from its declaration on, and as it is when it is asked', async () => {
    const { counters, url } = await served();
    counters.declare('berth_fences_total', 'Fences.', { what: ['fenced'] });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('berth_fences_total{what="fenced"} 0\n');
    counters.count('berth_fences_total', { what: 'fenced' });
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toContain('version=0.0.4');
    expect(await answer.text()).toContain('berth_fences_total{what="fenced"} 1\n');
  });

  it('has nothing else to say', async () => {
    const { url } = await served();
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(404);
  });

  it.each(['[127.0.0.1]:0', ...(hasIpv6 ? ['[::1]:0'] : [])])(
    'listens at %s: the manifest writes brackets around either',
    async (address) => {
      const server = await serveMetrics(new Counters(), address);
      running.push(server);
      const host = address.includes('::') ? '[::1]' : '127.0.0.1';
      expect((await fetch(`http://${host}:${server.port}/metrics`)).status).toBe(200);
    },
  );

  it.each(['9810', 'host', 'a:b', '127.0.0.1:70000', '::1:9810'])('refuses the address %s', async (address) => {
    await expect(serveMetrics(new Counters(), address)).rejects.toThrow(/^BERTH_CONFIG_INVALID: .*metrics-address/);
  });

  it('says that somebody else listens there', async () => {
    const { url } = await served();
    const address = url.replace('http://', '');
    await expect(serveMetrics(new Counters(), address)).rejects.toThrow(/EADDRINUSE/);
  });
});
