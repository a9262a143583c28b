/**
 * What a sandbox' shim can be asked over its monitor socket:
 * usage from within the guest, and to take a device's new size.
 */
import { request } from 'node:http';
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import { parseJson } from '../../model/parse-json.js';

/** Where a sandbox' directory with its socket is: of the Go runtime, of runtime-rs. */
export const SHIM_ROOTS: readonly string[] = ['/run/vc/sbs', '/run/kata'];
const SOCKET = 'shim-monitor.sock';
/** What Kata's own command waits, ms. */
const PATIENCE_MS = 3_000;
const MAX_ANSWER_CHARACTERS = 64 * 1024;
const SHOWN = 200;

export interface GuestAmount {
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
}

export interface GuestUsage {
  readonly bytes: GuestAmount;
  readonly inodes: GuestAmount | undefined;
}

/** Or why there is none, for a person. */
export type GuestAnswer<T> = { readonly answer: T } | { readonly why: string };

export class Shim {
  readonly #sandbox: string;
  readonly #roots: readonly string[];

  /** @param sandbox its id, the name of its directory */
  constructor(sandbox: string, roots: readonly string[] = SHIM_ROOTS) {
    this.#sandbox = sandbox;
    this.#roots = roots;
  }

  /** The guest's own statfs of the filesystem on this device; never throws, within the deadline and 3 s. */
  async usage(device: string, deadline: Deadline): Promise<GuestAnswer<GuestUsage>> {
    const asked = { method: 'GET', path: `/direct-volume/stats?path=${encodeURIComponent(device)}` };
    const said = await this.#ask(asked, '', deadline);
    if ('why' in said) return said;
    const usage = parseUsage(said.answer);
    return usage === undefined ? { why: `its shim answered ${said.answer.slice(0, SHOWN)}` } : { answer: usage };
  }

  /**
   * Ask the guest to take the size. No agent does so today (it answers UNIMPLEMENTED), and an answer of success proves
   * nothing: look at the filesystem. Never throws.
   */
  async resize(device: string, sizeBytes: bigint, deadline: Deadline): Promise<GuestAnswer<undefined>> {
    // The number as such: it may not fit a JavaScript one.
    const body = `{"VolumePath":${JSON.stringify(device)},"Size":${sizeBytes}}`;
    const said = await this.#ask({ method: 'POST', path: '/direct-volume/resize' }, body, deadline);
    return 'why' in said ? said : { answer: undefined };
  }

  async #ask(
    asked: { readonly method: string; readonly path: string },
    body: string,
    deadline: Deadline,
  ): Promise<GuestAnswer<string>> {
    // It comes out of a file name: nothing that leads elsewhere.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(this.#sandbox)) return { why: 'its sandbox has a strange name' };
    let why = 'its shim has no monitor socket';
    for (const root of this.#roots) {
      const socketPath = path.join(root, this.#sandbox, SOCKET);
      try {
        return { answer: await exchange({ ...asked, socketPath }, body, deadline.within(PATIENCE_MS).remaining()) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        why = `its shim: ${error instanceof Error ? error.message : 'failed'}`;
      }
    }
    return { why };
  }
}

function exchange(
  options: { readonly method: string; readonly path: string; readonly socketPath: string },
  body: string,
  ms: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => asking.destroy(new Error(`no answer within ${Math.round(ms)} ms`)), ms);
    const asking = request({ ...options, headers: { host: 'shim', 'content-length': Buffer.byteLength(body) } });
    asking.once('close', () => clearTimeout(timer));
    asking.once('error', reject);
    asking.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_CHARACTERS) asking.destroy(new Error('its answer has no end'));
      });
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`HTTP ${response.statusCode ?? 0} ${text.trim().slice(0, SHOWN)}`));
      });
    });
    asking.end(body);
  });
}

/**
 * Go's encoding of the agent's VolumeStatsResponse;
 * a member that is zero is left out (`omitempty`). Unit 1: bytes, 2: inodes.
 */
function parseUsage(text: string): GuestUsage | undefined {
  const usage = (parseJson(text) as { usage?: unknown } | null | undefined)?.usage;
  if (!Array.isArray(usage)) return undefined;
  const of = (unit: number): GuestAmount | undefined =>
    amountOf((usage as Record<string, unknown>[]).find((one) => one['unit'] === unit));
  const bytes = of(1);
  return bytes === undefined || bytes.total === 0n ? undefined : { bytes, inodes: of(2) };
}

function amountOf(one: Readonly<Record<string, unknown>> | undefined): GuestAmount | undefined {
  if (one === undefined) return undefined;
  const [total, used, available] = ['total', 'used', 'available'].map((name) => one[name] ?? 0);
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (!isCount(total) || !isCount(used) || !isCount(available)) return undefined;
  return { total: BigInt(total), used: BigInt(used), available: BigInt(available) };
}
