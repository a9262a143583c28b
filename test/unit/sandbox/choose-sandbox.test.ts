/** Who takes the volume: the administrator's word, then the volume's, then the handler's name, then the host. */
import { describe, expect, it } from 'vitest';
import {
  chooseSandbox,
  KATA_HANDLERS,
  type PodRuntime,
  type SandboxWish,
} from '../../../src/sandbox/choose-sandbox.js';
import { checkPod } from '../../../src/sandbox/pod.js';

const runtime = (handler: string, annotation?: string): PodRuntime => ({ name: 'rc', handler, annotation });

describe('the choice', () => {
  const table: readonly [string, PodRuntime, SandboxWish | undefined, 'host' | 'kata'][] = [
    ['nothing known, nothing said', 'unknown', undefined, 'host'],
    ['nothing known, auto', 'unknown', 'auto', 'host'],
    ['nothing known, kata', 'unknown', 'kata', 'kata'],
    ['nothing known, host', 'unknown', 'host', 'host'],
    ['a pod without a class, auto', 'none', 'auto', 'host'],
    ['a pod without a class, kata', 'none', 'kata', 'kata'],
    ['an ordinary handler', runtime('runc'), 'auto', 'host'],
    ['Kata’s handler', runtime('kata'), 'auto', 'kata'],
    ['Kata’s handler and nothing said', runtime('kata'), undefined, 'kata'],
    ['Kata’s handler with a hypervisor', runtime('kata-qemu'), 'auto', 'kata'],
    ['Kata’s handler of runtime-rs', runtime('kata-clh-runtime-rs'), 'auto', 'kata'],
    ['a handler that only begins alike', runtime('katamaran'), 'auto', 'host'],
    ['Kata’s handler, and the volume wants the host', runtime('kata-qemu'), 'host', 'host'],
    ['an ordinary handler, and the volume wants Kata', runtime('runc'), 'kata', 'kata'],
    ['the annotation above the volume’s word', runtime('runc', 'host'), 'kata', 'host'],
    ['the annotation above the handler', runtime('kata', 'host'), 'auto', 'host'],
    ['the annotation above all', runtime('runc', 'kata'), 'host', 'kata'],
  ];
  it.each(table)('%s', (_, pod, wish, sandbox) => {
    expect(chooseSandbox(pod, wish).sandbox).toBe(sandbox);
  });

  it('goes by the handlers that the operator names', () => {
    expect(chooseSandbox(runtime('rund'), 'auto', ['rund']).sandbox).toBe('kata');
    expect(chooseSandbox(runtime('kata'), 'auto', []).sandbox).toBe('host');
    expect(KATA_HANDLERS).toContain('kata');
  });

  it('is no guess where the annotation says something else', () => {
    for (const annotation of ['', 'Kata', 'true'])
      expect(() => chooseSandbox(runtime('kata', annotation), 'kata')).toThrow(/BERTH_SANDBOX_UNKNOWN.*rc/);
  });

  it('says what decided', () => {
    expect(chooseSandbox(runtime('kata-qemu'), 'auto').why).toBe('handler kata-qemu is one of Kata');
  });
});

describe('the pod', () => {
  const pod = { namespace: 'ns', name: 'db-0', uid: '0c9f2c2e-6f5b-4d7e-9a43-0d1f5c7b9a11' };
  it('is the one in whose directory the target is', () => {
    expect(() => checkPod(pod, pod.uid)).not.toThrow();
    expect(() => checkPod(pod, undefined)).not.toThrow();
    expect(() => checkPod(undefined, pod.uid)).not.toThrow();
  });
  it('of the same name and another uid is not', () => {
    expect(() => checkPod({ ...pod, uid: 'other' }, pod.uid)).toThrow(/BERTH_POD_CHANGED: pod ns\/db-0/);
  });
  it('that is static has a directory by another name', () => {
    expect(() => checkPod(pod, '0123456789abcdef0123456789abcdef')).not.toThrow();
  });
});
