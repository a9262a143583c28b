/** What every page is in: head, header, footer. It works without the script, which only keeps it up to date. */
import { html, type Html } from './html.js';

export interface Frame {
  readonly title: string;
  /** Where style, script and icon are, with what names their version. */
  readonly assets: AssetLinks;
  /** Whether somebody is logged in who may log out. */
  readonly hasSession: boolean;
  readonly body: Html;
  /** Read anew by a browser without a script after so many seconds. */
  readonly everySeconds?: number;
}

export interface AssetLinks {
  readonly style: string;
  readonly script: string;
  readonly icon: string;
}

export const frame = ({ title, assets, hasSession, body, everySeconds }: Frame): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} - Berth</title>
<link rel="icon" href="${assets.icon}">
<link rel="stylesheet" href="${assets.style}">
<script src="${assets.script}" defer></script>
${everySeconds === undefined ? '' : html`<noscript><meta http-equiv="refresh" content="${everySeconds}"></noscript>`}
</head>
<body>
<header>
<a class="home" href="/">Berth</a>
<nav><a href="/docs/runbook">Runbook</a> <a href="/docs/trace">Reasons</a> <a href="/docs/errors">Errors</a></nav>
<p id="age" role="status"></p>
${hasSession ? html`<form method="post" action="/logout"><button>Log out</button></form>` : ''}
</header>
${body}
<footer>Keys: <kbd>/</kbd> search, <kbd>j</kbd> <kbd>k</kbd> next and previous, <kbd>Enter</kbd> open,
<kbd>n</kbd> <kbd>p</kbd> pages, <kbd>u</kbd> all volumes. It only shows, and changes nothing.</footer>
</body>
</html>
`;

/** A page that says one thing. */
export const notice = (
  assets: AssetLinks,
  { title, says, hasSession }: { readonly title: string; readonly says: string; readonly hasSession: boolean },
): Html => frame({ title, assets, hasSession, body: html`<main><h1>${title}</h1><p>${says}</p></main>` });
