/**
 * Which node somebody is, whose it is, and when two records mean the same one: a node is not its name. Several
 * installations may share a pool, and their nodes may have equal names.
 */
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import { withinDeadline } from '../model/time-limit.js';

/** A node as a record names it. What an earlier Berth wrote has a name and nothing else. */
export interface RecordedNode {
  /** Its id at the driver: in Kubernetes the Node object's name. */
  readonly node: string;
  /** Whose node it is, '' for one that belongs to none; absent where whoever wrote it did not say. */
  readonly installation?: string | undefined;
  /** What tells the machine from another one that bears its name; absent where that is not known. */
  readonly machine?: string | undefined;
}

/**
 * A node as somebody who acts knows it. `undefined` is not known: an orchestrator names no machine, for instance.
 * Each field has to be given, so that none is forgotten.
 */
export interface NodeIdentity extends RecordedNode {
  readonly installation: string | undefined;
  readonly machine: string | undefined;
}

/**
 * Do these mean the same node? What one of them does not say differs from nothing, so a record of an earlier Berth is
 * known by its name. A node without an installation is another than one that has one, unless the machine is known to
 * be the same: an installation may be given a name while its volumes are in use.
 */
export function isSameNode(one: RecordedNode, other: NodeIdentity): boolean {
  if (one.node !== other.node || differ(one.machine, other.machine)) return false;
  if (!differ(one.installation, other.installation)) return true;
  const isNamed = one.installation !== '' && other.installation !== '';
  return !isNamed && one.machine !== undefined && other.machine !== undefined;
}

/** As {@link isSameNode}, for a node of which nothing is known but what a record says of it. */
export const identityOf = ({ node, installation, machine }: RecordedNode): NodeIdentity => ({
  node,
  installation,
  machine,
});

/** What a record says of a node: only what is known, by whoever writes it or by what it said `before`. */
export function recordedNode(known: NodeIdentity, before?: RecordedNode): RecordedNode {
  const { node, installation = before?.installation, machine = before?.machine } = known;
  return {
    node,
    ...(installation === undefined ? {} : { installation }),
    ...(machine === undefined ? {} : { machine }),
  };
}

/** Of a record that was read: are the parts of its identity texts? */
export const hasIdentity = ({ node, installation, machine }: Partial<RecordedNode>): boolean =>
  typeof node === 'string' && [installation, machine].every((one) => one === undefined || typeof one === 'string');

/** For a person: `worker-1 of installation 0f3c…`; just the name where the installation has none or is not known. */
export const nameNode = ({ node, installation = '' }: RecordedNode): string =>
  installation === '' ? node : `${node} of installation ${installation}`;

/** Is this a node of that installation? A record that does not say is taken for one, as an earlier Berth would. */
export const isOfInstallation = (one: RecordedNode, installation: string): boolean =>
  !differ(one.installation, installation);

/** As {@link nameNode}, for a person of an installation, to whom its own nodes are just names. */
export const nameWithin = (one: RecordedNode, installation: string): string =>
  isOfInstallation(one, installation) ? one.node : nameNode(one);

/** As {@link nameNode}, for whoever is told that another node has what `asking` wants: how the two differ. */
export function nameHolder(holder: RecordedNode, asking: RecordedNode): string {
  if (holder.node !== asking.node)
    return differ(holder.installation, asking.installation) ? nameNode(holder) : holder.node;
  if (differ(holder.installation, asking.installation))
    return holder.installation === '' ? `${holder.node} of no installation` : nameNode(holder);
  const there = holder.machine ?? 'not known';
  return `${holder.node} on another machine (${there})`;
}

const differ = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && other !== undefined && one !== other;

/** Asks the orchestrator for its own lasting identity. */
export type AskInstallation = (deadline: Deadline) => Promise<string>;

/** What one question may take, in ms, whoever waits for it. */
const ASK_MS = 5_000;

/** To which installation this driver belongs: asked of the orchestrator once, or named by an option. */
export class Installation {
  readonly #ask: AskInstallation | undefined;
  #id: string | undefined;
  #asking: Promise<string> | undefined;

  /**
   * @param configured the option's word, which goes before the orchestrator's
   * @param ask undefined without an orchestrator: without either the installation has no name, ''
   */
  constructor(configured?: string, ask?: AskInstallation) {
    this.#ask = ask;
    this.#id = configured ?? (ask === undefined ? '' : undefined);
  }

  /** '' for one without a name; undefined while the orchestrator has not said. It never changes once it is known. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Asks where it is not known yet; callers share one question. BERTH_INSTALLATION_UNKNOWN. */
  async known(deadline: Deadline): Promise<string> {
    if (this.#id !== undefined) return this.#id;
    const asked = this.#ask;
    if (asked === undefined) return '';
    this.#asking ??= asked(Deadline.after(ASK_MS)).finally(() => {
      this.#asking = undefined;
    });
    try {
      this.#id = await withinDeadline(this.#asking, 'asking for the installation', deadline);
      return this.#id;
    } catch (error) {
      const why = error instanceof Error ? error.message : 'no answer';
      throw berthError('BERTH_INSTALLATION_UNKNOWN', { why }, error);
    }
  }
}
