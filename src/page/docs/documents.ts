/** The documents that the page shows beside the volumes: those which somebody needs to mend one. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { html, type Html } from '../html/html.js';
import { renderMarkdown } from './render-markdown.js';

/** Files of docs/ without their end. The image has them. */
export const DOCUMENTS = ['runbook', 'trace', 'errors', 'operations'] as const;

export class Documents {
  readonly #directory: string;

  /** @param root Berth's own directory */
  constructor(root: string) {
    this.#directory = path.join(root, 'docs');
  }

  /** Undefined for one that is not shown, or not there. */
  async read(name: string): Promise<Html | undefined> {
    const known = DOCUMENTS.find((one) => one === name);
    if (known === undefined) return undefined;
    const text = await readFile(path.join(this.#directory, `${known}.md`), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : html`<main class="document">${renderMarkdown(text, addressOfLink)}</main>`;
  }
}

/** Within a document, or to another one that is shown. */
function addressOfLink(target: string): string | undefined {
  const [, name, anchor = ''] = /^(?:([a-z-]+)\.md)?(#[\w-]+)?$/.exec(target) ?? [];
  if (name === undefined) return anchor === '' ? undefined : anchor;
  return DOCUMENTS.some((one) => one === name) ? `/docs/${name}${anchor}` : undefined;
}
