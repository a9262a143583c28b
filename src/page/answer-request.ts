/** What each address of the page answers, and to whom. Nothing here changes anything but who is logged in. */
import { isBerthError } from '../model/errors.js';
import { toldOf } from '../diagnosis/message-of.js';
import { goTo, shown, told, type Answer } from './answer.js';
import type { Documents } from './docs/documents.js';
import type { Door, Verdict, Visitor } from './door/door.js';
import { noSession } from './door/session-cookie.js';
import type { Assets } from './html/assets.js';
import type { Html } from './html/html.js';
import { loginView, nextAfterLogin } from './html/login-view.js';
import { frame, notice } from './html/page-frame.js';
import { readQuery } from './list/list-query.js';
import { listRows, listView } from './list/list-view.js';
import { selectVolumes } from './list/select-volumes.js';
import type { VolumeListing } from './list/volume-listing.js';
import type { TraceDesk } from './volume/trace-desk.js';
import { volumeNamed } from './volume/volume-address.js';
import { titleOf, volumePart, volumeView } from './volume/volume-view.js';

export interface AnswerParts {
  readonly door: Door;
  readonly isTls: boolean;
  readonly assets: Assets;
  readonly documents: Documents;
  readonly listing: VolumeListing;
  readonly desk: TraceDesk;
}

/** A request, as far as it says what is asked. */
export interface Question {
  /** HEAD is asked as GET. */
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly visitor: Visitor;
  /** If-None-Match. */
  readonly known: string | undefined;
  /** Of a form that is sent. */
  readonly form: URLSearchParams;
}

/** A browser without the script reads a page anew after so many seconds. */
const EVERY_SECONDS = 30;

export async function answerRequest(parts: AnswerParts, question: Question): Promise<Answer> {
  const { method, url } = question;
  const asset = parts.assets.at(url.pathname);
  if (method === 'GET' && asset !== undefined) {
    // Of another release's name, while controllers are replaced, a browser must not keep this one's file.
    const isNamed = asset.address === `${url.pathname}${url.search}`;
    const keep = isNamed ? 'public, max-age=31536000, immutable' : 'no-store';
    const headers = { 'content-type': asset.type, 'cache-control': keep };
    return { status: 200, headers, body: asset.body };
  }
  if (method === 'POST') return answerForm(parts, question);
  const verdict = await parts.door.admit(question.visitor);
  if (verdict.by === 'nothing') return refusal(parts, verdict, `${url.pathname}${url.search}`);
  const { pathname } = url;
  // Where a browser stands after a wrong token.
  if (pathname === '/login' || pathname === '/logout') return goTo('/');
  if (pathname === '/' || pathname === '/rows') return answerList(parts, question, verdict);
  if (pathname === '/volume' || pathname === '/chain') return answerVolume(parts, question, verdict);
  const document = pathname.startsWith('/docs/') ? await parts.documents.read(pathname.slice(6)) : undefined;
  if (document === undefined) return failure(parts, verdict, 404, 'There is no such page.');
  return shown(framed(parts, verdict, pathname.slice(6), document), question.known);
}

const isLoggedIn = ({ by }: Verdict): boolean => by === 'session';

const framed = ({ assets }: AnswerParts, verdict: Verdict, title: string, body: Html): Html =>
  frame({ title, assets: assets.links, hasSession: isLoggedIn(verdict), body });

/** Read anew by a browser without the script. */
const framedLive = ({ assets }: AnswerParts, verdict: Verdict, title: string, body: Html): Html =>
  frame({ title, assets: assets.links, hasSession: isLoggedIn(verdict), body, everySeconds: EVERY_SECONDS });

function failure({ assets }: AnswerParts, verdict: Verdict, status: number, says: string): Answer {
  const page = notice(assets.links, { title: 'Volumes of Berth', says, hasSession: isLoggedIn(verdict) });
  return told(status, page, status === 503 ? { 'retry-after': '5' } : {});
}

type Refused = Extract<Verdict, { by: 'nothing' }>;

function refusal({ assets, door }: AnswerParts, { status, says, waitSeconds }: Refused, asked: string): Answer {
  const view = { says, takesTokens: door.takesTokens, next: nextAfterLogin(asked) };
  const wait: Record<string, string> = waitSeconds > 0 ? { 'retry-after': String(waitSeconds) } : {};
  const asks: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer realm="berth"' } : {};
  return told(status, loginView(assets.links, view), { ...wait, ...asks });
}

async function answerForm(parts: AnswerParts, { url, form, visitor }: Question): Promise<Answer> {
  if (url.pathname === '/logout') return goTo('/', noSession(parts.isTls));
  const verdict = await parts.door.login(visitor, form.get('token') ?? '');
  const next = nextAfterLogin(form.get('next') ?? '');
  return 'cookie' in verdict ? goTo(next, verdict.cookie) : refusal(parts, verdict, next);
}

async function answerList(parts: AnswerParts, { url, known }: Question, verdict: Verdict): Promise<Answer> {
  const query = readQuery(url.searchParams);
  // In this order: after a start the first list is waited for.
  const isFresh = await parts.listing.isFresh();
  const listing = await parts.listing.current();
  const selection = await selectVolumes(listing.volumes, query);
  const rows = listRows({ query, listing, selection, isFresh });
  if (url.pathname === '/rows') return shown(rows, known);
  return shown(framedLive(parts, verdict, 'Volumes', listView(query, listing, rows)), known);
}

async function answerVolume(parts: AnswerParts, { url, known }: Question, verdict: Verdict): Promise<Answer> {
  const named = volumeNamed(url.searchParams);
  if (named === undefined) return failure(parts, verdict, 404, 'The address names no volume.');
  try {
    const trace = await parts.desk.look(named);
    if (trace === undefined)
      return failure(parts, verdict, 503, 'Too many volumes are looked at just now; try again in a moment.');
    const part = volumePart(trace);
    if (url.pathname === '/chain') return shown(part, known);
    return shown(framedLive(parts, verdict, titleOf(trace), volumeView(`/chain${url.search}`, part)), known);
  } catch (error) {
    // What the catalogue has a code for is for the reader's eyes: there is no such volume, or the API is down.
    if (!isBerthError(error)) throw error;
    const isAbsent = isBerthError(error, 'BERTH_KUBE_NOT_FOUND', 'BERTH_VOLUME_NOT_FOUND');
    return failure(parts, verdict, isAbsent ? 404 : 503, toldOf(error));
  }
}
