/** What runs in a process while nobody asks, and what it is made of. */
import type { Readiness } from '../../diagnosis/readiness.js';
import type { RegistrationLoop } from '../../volume/node/registration/registration-loop.js';
import type { ControllerParts } from '../controller-parts.js';
import type { Dependencies } from '../dependencies.js';
import type { NodeParts } from '../node-parts.js';

export interface Loop {
  /** Begin; rejects only where the process cannot serve without it. */
  start(): void | Promise<void>;
  stop(): void | Promise<void>;
}

/** What this process has; a service that it does not serve is undefined. */
export interface LoopParts {
  readonly dependencies: Dependencies;
  readonly controller: ControllerParts | undefined;
  readonly node: NodeParts | undefined;
  readonly registration: RegistrationLoop | undefined;
  readonly readiness: Readiness;
}
