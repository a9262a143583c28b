/** A way by which a pod with MariaDB gets its volume: what the cases ask of each. */
import type { FencingController } from '../integration/fencing/fencing-controller.js';
import type { Driver } from '../integration/csi/driver.js';
import type { Volume } from '../integration/csi/volume.js';
import type { Database } from './database.js';

export interface Way {
  readonly one: Driver;
  readonly two: Driver;
  readonly controller: FencingController;
  /** Transactions between two events: enough that pages are written back meanwhile. */
  readonly some: number;
  create(): Promise<Volume>;
  /** Bring the volume to a node, and start a pod there. */
  start(volume: Volume, on: Driver): Promise<Database>;
  /** Take the volume from a node whose pod is gone. */
  leave(volume: Volume, on: Driver): Promise<void>;
  /** The process by which a node has its volumes open, beside its pods. */
  clientsOf(on: Driver): Promise<readonly number[]>;
  /** As large as this, as far as it can be while its pod runs. */
  grow(volume: Volume, on: Driver, toBytes: number): Promise<void>;
  /** A copy as it was at one moment of the call. */
  copy(volume: Volume): Promise<Volume>;
  /** Everything of a test, whatever state it left. */
  clear(): Promise<void>;
  close(): Promise<void>;
}
