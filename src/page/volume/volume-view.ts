/** One volume as HTML: what is broken and what to do, the picture of its chain, and all that was seen in words. */
import { chainLines, exceptUnseen } from '../../diagnosis/trace/trace-words.js';
import type { Break, Warning } from '../../diagnosis/trace/links.js';
import type { VolumeTrace } from '../../diagnosis/trace/trace-volume.js';
import { html, type Html } from '../html/html.js';
import { chainBoxes } from './chain-boxes.js';
import { drawChain } from './draw-chain.js';
import { runbookOf } from './runbook-of.js';

/** How often it is read anew, in ms. */
const EVERY_MS = 10_000;

/**
 * @param from path and query of the part that is read anew
 * @param part of {@link volumePart}
 */
export const volumeView = (from: string, part: Html): Html => html`
<main id="live" data-from="${from}" data-every="${EVERY_MS}">
${part}
</main>`;

export const titleOf = ({ claimName, pvName, handle }: VolumeTrace): string => claimName ?? pvName ?? handle ?? '';

export const volumePart = (trace: VolumeTrace): Html => html`<h1>${titleOf(trace)}</h1>
${verdict(trace)}
<figure>${drawChain(chainBoxes(trace))}</figure>
<h2>What was seen</h2>
<dl>${chainLines(trace).map(([what, says]) => html`<dt>${what}</dt><dd>${says}</dd>\n`)}</dl>
<p>In a terminal: <code>berth trace ${trace.handle ?? titleOf(trace)}</code></p>`;

function verdict({ breaks, warnings, unseen }: VolumeTrace): Html {
  const warned = html`${warnings.map((one) => html`<p>Warning: ${told(one)}</p>\n`)}`;
  if (breaks.length === 0) return html`<p class="good">Nothing is broken${exceptUnseen(unseen)}.</p>${warned}`;
  return html`<ol class="breaks">${breaks.map(
    (one, index) => html`<li class="${index === 0 ? 'first' : 'then'}">${told(one)}</li>`,
  )}</ol>${warned}`;
}

function told({ link, reason, says }: Break | Warning): Html {
  const { address, title } = runbookOf(reason);
  return html`<strong>${link}: ${reason}</strong> ${says} <a href="${address}">${title}</a>`;
}
