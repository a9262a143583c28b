/**
 * What the two sides of a test run tell each other: the session that a test file finds, its results, and what it may
 * ask of the host.
 */

/** Written by the host before each boot, read by the test file. */
export interface Session {
  /** Of the same file: 1, and one more after each {@link Asked.reboot}. */
  readonly boot: number;
  /** False where the host's own kernel is tested, without a guest. */
  readonly guest: boolean;
  /** A directory on a disk that outlives a reboot and forgets what was not synced, as disks do. */
  readonly state: string;
  readonly control: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly fsid: string;
  readonly monitors: readonly string[];
  readonly pool: string;
  readonly users: Readonly<Record<'controller' | 'node', { readonly id: string; readonly key: string }>>;
  /** Of tests that do something often, at random moments: {@link ROUNDS_VARIABLE}, or {@link ROUNDS}. */
  readonly rounds: number;
  /** The unpacked root of the image, for its own test: {@link IMAGE_VARIABLE}; empty where none was named. */
  readonly imageRoot: string;
}

/** The directory `.root` that `npm run image` made. Without it the test of the image is left out. */
export const IMAGE_VARIABLE = 'BERTH_IMAGE_ROOT';

/** Fewer are enough where the same tests run often. */
export const ROUNDS_VARIABLE = 'BERTH_VM_ROUNDS';
export const ROUNDS = 100;

/** The environment variable with the path of the session's file. */
export const SESSION_VARIABLE = 'BERTH_VM_SESSION';
/** The environment variable with the path of the file that results are appended to, one {@link Event} a line. */
export const RESULTS_VARIABLE = 'BERTH_VM_RESULTS';

export type Daemon = 'mon' | 'mgr' | 'osd';

/** What the host does on request, each with what it answers. */
export interface Asked {
  /** SIGSTOP and SIGCONT; the host thaws whatever is still frozen when the file has ended. */
  freeze(daemon: Daemon): Promise<void>;
  thaw(daemon: Daemon): Promise<void>;
  /** The programs as client.admin; their standard output, or an error with what they said. */
  ceph(...args: string[]): Promise<string>;
  rbd(...args: string[]): Promise<string>;
  /**
   * A second OSD, whose daemon has started when it answers, and its end; the host ends it when the file has ended.
   */
  addOsd(): Promise<void>;
  removeOsd(): Promise<void>;
  /**
   * Kills the guest as a power cut does and boots it again; the file is run once more, with the next {@link
   * Session.boot}.
   */
  reboot(): Promise<never>;
  /**
   * Boots a second guest with a driver of its own, {@link PEER}, and nothing else in it; answers when that is ready.
   */
  startPeer(): Promise<void>;
  /** One of the peer's commands (inside/peer.ts), its arguments as JSON; what it answers, as JSON. */
  askPeer(command: string, ...args: string[]): Promise<string>;
  /** SIGSTOP and SIGCONT of the peer's whole machine: it does not know that time has passed. */
  suspendPeer(): Promise<void>;
  resumePeer(): Promise<void>;
  /** A power cut, and its next boot, whose driver is ready when this answers. */
  rebootPeer(): Promise<void>;
}

/** The node id of the second guest. */
export const PEER = 'peer-node';

/** One line of JSON from the guest to the host. */
export interface Request {
  readonly call: keyof Asked;
  readonly args: readonly string[];
}

export type Answer = { readonly result: string } | { readonly error: string };

/** What a run writes to BERTH_TEST_REPORT at its end: for tools/rerun-failed.js, and for the tables of versions. */
export interface GuestReport {
  readonly complete: true;
  readonly failed: readonly { readonly project: 'vm'; readonly file: string }[];
  readonly files: readonly { readonly name: string; readonly passed: number; readonly failed: number }[];
}

/** One line of JSON in the results file. */
export type Event =
  | { readonly kind: 'start'; readonly name: string }
  /** A figure that a test wants to be seen: `t.diagnostic()`. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'pass'; readonly name: string; readonly ms: number }
  | { readonly kind: 'fail'; readonly name: string; readonly ms: number; readonly why: string };
