/** Style, script and icon as they lie in `page/`: read once, and named by their content, so that browsers keep them. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { berthError } from '../../model/errors.js';
import type { AssetLinks } from './page-frame.js';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** Path with the digest of what is in it. */
  readonly address: string;
}

const FILES = {
  style: ['page.css', 'text/css; charset=utf-8'],
  script: ['page.js', 'text/javascript; charset=utf-8'],
  icon: ['icon.svg', 'image/svg+xml'],
} as const satisfies Readonly<Record<keyof AssetLinks, readonly [string, string]>>;

export class Assets {
  readonly links: AssetLinks;
  readonly #byPath: ReadonlyMap<string, Asset>;

  private constructor(assets: Readonly<Record<keyof AssetLinks, Asset>>) {
    const { style, script, icon } = assets;
    this.links = { style: style.address, script: script.address, icon: icon.address };
    this.#byPath = new Map([style, script, icon].map((one) => [one.address.split('?')[0] ?? '', one]));
  }

  /** @param root Berth's own directory; BERTH_CONFIG_INVALID where the installation lacks them */
  static async read(root: string): Promise<Assets> {
    const [style, script, icon] = await Promise.all([
      readAsset(root, ...FILES.style),
      readAsset(root, ...FILES.script),
      readAsset(root, ...FILES.icon),
    ]);
    return new Assets({ style, script, icon });
  }

  /** Undefined where nothing of that path is one. */
  at(pathname: string): Asset | undefined {
    return this.#byPath.get(pathname);
  }
}

async function readAsset(root: string, name: string, type: string): Promise<Asset> {
  const file = path.join(root, 'page', name);
  const body = await readFile(file).catch((error: unknown) => {
    throw berthError('BERTH_CONFIG_INVALID', { file, why: (error as NodeJS.ErrnoException).code ?? 'not readable' });
  });
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 12);
  return { type, body, address: `/${name}?${digest}` };
}
