/** A pod with MariaDB, wherever it runs: in a container of the host or in a virtual machine. */

export interface MariadbPod {
  /** Arguments by which a client outside reaches it. */
  readonly address: readonly string[];
  /** The processes that stand still when its node does. */
  readonly pids: readonly number[];
  /** What the server has said so far. */
  log(): Promise<string>;
  /** Size of the volume's filesystem as the pod sees it, bytes. */
  sizeBytes(): Promise<number>;
  /** Whether the server runs, whether or not it answers. */
  isAlive(): Promise<boolean>;
  /** Resolves once the server has ended, which a client told it to, and the pod is gone. */
  ended(): Promise<void>;
  /** Without warning. Also of one that is gone. */
  kill(): Promise<void>;
}

/** In the tree; its data directory is `data` of the volume, at first a copy of the tree's `template`. */
export const SERVER: readonly string[] = ['/usr/sbin/mariadbd', '--defaults-file=/etc/berth.cnf'];
