/** What somebody sees who has not shown the token yet. */
import { html, type Html } from './html.js';
import { frame, type AssetLinks } from './page-frame.js';

export interface LoginView {
  /** What was wrong; '' where nothing was. */
  readonly says: string;
  readonly takesTokens: boolean;
  /** Path and query to go on to. */
  readonly next: string;
}

export function loginView(assets: AssetLinks, { says, takesTokens, next }: LoginView): Html {
  const told = says === '' ? '' : html`<p class="bad" role="alert">${says}</p>`;
  const form = html`<form class="login" method="post" action="/login">
<input type="hidden" name="next" value="${next}">
<input name="username" value="berth" autocomplete="username" hidden>
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Show the volumes</button>
</form>`;
  const body = html`<main><h1>Volumes of Berth</h1>${told}${takesTokens ? form : ''}</main>`;
  return frame({ title: 'Log in', assets, hasSession: false, body });
}

/** The pages that a login may lead to: never another site. */
export const nextAfterLogin = (text: string): string =>
  /^\/(?:volume|docs\/[a-z]+)?(?:\?[^\s\\]*)?$/.test(text) ? text : '/';
