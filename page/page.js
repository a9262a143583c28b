// What a browser with a script has more: the live part is read anew by itself, and keys move through it.
'use strict';
{
  const live = document.getElementById('live');
  const age = document.getElementById('age');
  const search = document.getElementById('search');
  let known = '';
  let timer;

  /** The focus stays where it was, also where its row is another element now. */
  const replace = (text) => {
    const next = new DOMParser().parseFromString(text, 'text/html');
    const at = document.activeElement?.getAttribute('href');
    const hadFocus = live.contains(document.activeElement);
    live.replaceChildren(...next.body.childNodes);
    if (hadFocus && at) [...live.querySelectorAll('a')].find((one) => one.getAttribute('href') === at)?.focus();
  };

  const say = (text) => {
    if (age.textContent !== text) age.textContent = text;
  };

  const refresh = async () => {
    clearTimeout(timer);
    // Nobody looks: nothing is asked until somebody does.
    if (document.hidden) return;
    try {
      const headers = known === '' ? {} : { 'if-none-match': known };
      const answer = await fetch(live.dataset.from, { headers, cache: 'no-store', redirect: 'error' });
      if (answer.status === 401) return location.reload();
      if (answer.ok) {
        known = answer.headers.get('etag') ?? '';
        replace(await answer.text());
      } else if (answer.status !== 304) throw new Error(String(answer.status));
      say(`as of ${new Date().toLocaleTimeString()}`);
      live.classList.remove('old');
    } catch {
      say(age.textContent.startsWith('not') ? age.textContent : `not read since ${new Date().toLocaleTimeString()}`);
      live.classList.add('old');
    }
    timer = setTimeout(refresh, Number(live.dataset.every));
  };

  if (live !== null) {
    document.addEventListener('visibilitychange', refresh);
    timer = setTimeout(refresh, Number(live.dataset.every));
    say(`as of ${new Date().toLocaleTimeString()}`);
  }

  document.querySelector('#filters select')?.addEventListener('change', ({ target }) => target.form.submit());

  const move = (by) => {
    const rows = [...document.querySelectorAll('a.open')];
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
    rows[Math.min(rows.length - 1, Math.max(0, next))]?.focus();
  };
  const follow = (what) => document.querySelector(what)?.click();
  const keys = {
    '/': () => {
      if (search === null) return location.assign('/');
      search.focus();
      search.select();
    },
    j: () => move(1),
    k: () => move(-1),
    n: () => follow('a[rel=next]'),
    p: () => follow('a[rel=prev]'),
    u: () => follow('a.home'),
  };
  document.addEventListener('keydown', (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
      if (key === 'Escape') target.blur();
      return;
    }
    if (keys[key] === undefined || !Object.hasOwn(keys, key)) return;
    event.preventDefault();
    keys[key]();
  });
}
