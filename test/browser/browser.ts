/** Drives a headless Chromium over its debugging pipe (the DevTools protocol): tabs that go, press keys and show. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Chromium } from './chromium.js';

/** root may not use the sandbox of Chromium; what is shown is our own. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update', '--mute-audio'],
  ...['--force-color-profile=srgb', '--hide-scrollbars', '--font-render-hinting=none'],
];

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

const ENDED: Message = { error: { message: 'Chromium has ended' } };

export class Browser {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Set<(message: Message) => void>();
  #count = 0;

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    let rest = '';
    (child.stdio[4] as Readable).on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString('utf8')).split('\0');
      rest = parts.pop() ?? '';
      for (const part of parts) this.#take(JSON.parse(part) as Message);
    });
    child.once('exit', () => {
      for (const tell of this.#waiting.values()) tell(ENDED);
    });
    // What is asked of a browser that has ended is told by its end.
    (child.stdio[3] as Writable).on('error', () => undefined);
  }

  /** @param under where its profile and sockets are until it is closed: who interrupts a run may clear that */
  static async start({ command, environment }: Chromium, under = os.tmpdir()): Promise<Browser> {
    const directory = await mkdtemp(path.join(under, 'berth-browser-'));
    const [program, args] = command([...FLAGS, `--user-data-dir=${path.join(directory, 'profile')}`]);
    const child = spawn(program, args, {
      env: { ...process.env, ...environment, HOME: directory, TMPDIR: directory },
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const browser = new Browser(child, directory);
    try {
      await browser.ask('Browser.getVersion');
      return browser;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** A tab with cookies of its own. */
  async open(): Promise<Tab> {
    const { browserContextId } = await this.ask('Target.createBrowserContext');
    const { targetId } = await this.ask('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.ask('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, String(sessionId), String(browserContextId));
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await tab.ask(`${domain}.enable`);
    return tab;
  }

  ask(method: string, params: object = {}, sessionId?: string): Promise<Readonly<Record<string, unknown>>> {
    const id = (this.#count += 1);
    return new Promise((resolve, reject) => {
      const tell = ({ result = {}, error }: Message): void => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      };
      if (this.#hasEnded) {
        tell(ENDED);
        return;
      }
      this.#waiting.set(id, tell);
      const message = sessionId === undefined ? { id, method, params } : { id, method, params, sessionId };
      (this.#child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    });
  }

  /** @returns what ends it */
  listen(tell: (message: Message) => void): () => void {
    this.#listeners.add(tell);
    return () => void this.#listeners.delete(tell);
  }

  async close(): Promise<void> {
    const ended = this.#hasEnded ? undefined : new Promise((resolve) => this.#child.once('exit', resolve));
    await this.ask('Browser.close').catch(() => this.#child.kill('SIGKILL'));
    await ended;
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #take(message: Message): void {
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (message.id !== undefined) this.#waiting.delete(message.id);
    waiting?.(message);
    if (message.method !== undefined) for (const tell of this.#listeners) tell(message);
  }
}

export class Tab {
  readonly #browser: Browser;
  readonly #session: string;
  readonly #context: string;
  /** What the browser complained of: policies that were broken, scripts that failed, answers from 400 on. */
  readonly complaints: string[] = [];
  /** Addresses that were asked for. */
  readonly asked: string[] = [];
  readonly #stop: () => void;

  constructor(browser: Browser, session: string, context: string) {
    this.#browser = browser;
    this.#session = session;
    this.#context = context;
    this.#stop = browser.listen(({ sessionId, method, params = {} }) => {
      if (sessionId !== session) return;
      if (method === 'Log.entryAdded') this.complaints.push(JSON.stringify(params['entry']));
      if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params));
      if (method === 'Network.requestWillBeSent') this.asked.push((params['request'] as { url: string }).url);
    });
  }

  ask(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    return this.#browser.ask(method, params, this.#session);
  }

  /** Does what leads to another page, and waits until that is loaded. */
  async loads(act: () => Promise<unknown>): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      const stop = this.#browser.listen(({ sessionId, method }) => {
        if (sessionId !== this.#session || method !== 'Page.loadEventFired') return;
        stop();
        resolve();
      });
    });
    await act();
    await loaded;
  }

  goTo = (url: string): Promise<void> => this.loads(() => this.ask('Page.navigate', { url }));

  /** The value of an expression in the page. */
  async value(expression: string): Promise<unknown> {
    const answer = await this.ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    const { exceptionDetails, result } = answer as { exceptionDetails?: object; result: { value?: unknown } };
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  text = async (): Promise<string> => String(await this.value('document.body.innerText'));

  /** One key, as a person presses it: a letter, or `Enter`. */
  async press(key: string): Promise<void> {
    const text = key === 'Enter' ? '\r' : key;
    const code = { key, windowsVirtualKeyCode: key === 'Enter' ? 13 : key.toUpperCase().charCodeAt(0) };
    await this.ask('Input.dispatchKeyEvent', { type: 'keyDown', ...code, ...(key === 'Escape' ? {} : { text }) });
    await this.ask('Input.dispatchKeyEvent', { type: 'keyUp', ...code });
  }

  async type(text: string): Promise<void> {
    await this.ask('Input.insertText', { text });
  }

  /** As a PNG of so many points of width, as high as the page is. */
  async picture(file: string, width: number, height: number): Promise<void> {
    const size = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.ask('Emulation.setDeviceMetricsOverride', size);
    const { data } = await this.ask('Page.captureScreenshot', { format: 'png' });
    await writeFile(file, Buffer.from(String(data), 'base64'));
  }

  async prefer(scheme: 'light' | 'dark'): Promise<void> {
    await this.ask('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#browser.ask('Target.disposeBrowserContext', { browserContextId: this.#context });
  }
}
