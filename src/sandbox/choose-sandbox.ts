/**
 * Which sandbox takes a volume for a pod, decided from what is
 * known of the pod and of the volume; reads nothing by itself.
 */
import { berthError } from '../model/errors.js';

const SANDBOXES = ['host', 'kata'] as const;
export type Sandbox = (typeof SANDBOXES)[number];
/** What the StorageClass or the PersistentVolume says; undefined where it says nothing, which means `auto`. */
export type SandboxWish = 'auto' | Sandbox;
export const SANDBOX_WISHES: readonly SandboxWish[] = ['auto', ...SANDBOXES];

/** Does the sandbox use the volume with a kernel of its own? Then no second pod may have it. */
export const HAS_OWN_KERNEL: Readonly<Record<Sandbox, boolean>> = { host: false, kata: true };

/** On a RuntimeClass, which only administrators may write. */
export const SANDBOX_ANNOTATION = 'berth.dev/sandbox';

/** The RuntimeClass of a pod. */
export interface RuntimeClass {
  readonly name: string;
  /** As the container runtime's configuration knows it. */
  readonly handler: string;
  /** The value of {@link SANDBOX_ANNOTATION}. */
  readonly annotation: string | undefined;
}

/** `unknown`: nobody here can be asked. `none`: the pod has no RuntimeClass. */
export type PodRuntime = 'unknown' | 'none' | RuntimeClass;

/** Handlers of Kata's own deployments, and theirs with a dash and a hypervisor behind it (`kata-clh`). */
export const KATA_HANDLERS: readonly string[] = ['kata', 'kata-*'];

/** Do pods of this class run in virtual machines, whichever way their volumes go? By its annotation or its handler. */
export const isOfMachines = ({ annotation, handler }: RuntimeClass, handlers: readonly string[]): boolean =>
  annotation === 'kata' || isOneOf(handlers, handler);

export interface Choice {
  readonly sandbox: Sandbox;
  /** For the log: what decided. */
  readonly why: string;
}

/**
 * The administrator's annotation, then the volume's own wish, then the handler's
 * name, then the host. BERTH_SANDBOX_UNKNOWN for an annotation that says
 * something else: guessing could give a guest's volume to the host's kernel.
 */
export function chooseSandbox(
  runtime: PodRuntime,
  wish: SandboxWish | undefined,
  handlers: readonly string[] = KATA_HANDLERS,
): Choice {
  const known = typeof runtime === 'object' ? runtime : undefined;
  if (known?.annotation !== undefined) {
    const { annotation, name } = known;
    if (annotation !== 'host' && annotation !== 'kata') {
      throw berthError('BERTH_SANDBOX_UNKNOWN', { runtimeClass: name, value: annotation });
    }
    return { sandbox: annotation, why: `RuntimeClass ${name} says so` };
  }
  if (wish === 'host' || wish === 'kata') return { sandbox: wish, why: 'the volume says so' };
  if (known !== undefined && isOneOf(handlers, known.handler)) {
    return { sandbox: 'kata', why: `handler ${known.handler} is one of Kata` };
  }
  if (known !== undefined) return { sandbox: 'host', why: `handler ${known.handler} is none of Kata` };
  return { sandbox: 'host', why: runtime === 'none' ? 'its pod has no RuntimeClass' : 'its RuntimeClass is not known' };
}

const isOneOf = (patterns: readonly string[], handler: string): boolean =>
  patterns.some((pattern) => matches(pattern, handler));

/** A star at the end stands for anything. */
const matches = (pattern: string, handler: string): boolean =>
  pattern.endsWith('*') ? handler.startsWith(pattern.slice(0, -1)) : handler === pattern;
