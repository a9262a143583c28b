/** RBAC for the stand-in, as the manifests give it to an account; remembers what was done by which right. */
import { objects, type Rule } from '../unit/deploy/objects.js';
import type { Call } from './request.js';

/** `get /nodes`, `create events.k8s.io/events`. */
const titleOf = (verb: string, group: string, plural: string): string => `${verb} ${group}/${plural}`;

/** What every account may ask (ClusterRole system:basic-user). */
const OPEN = ['create authorization.k8s.io/selfsubjectaccessreviews'];

export class Rights {
  readonly #rules: readonly Rule[];
  readonly #used = new Set<string>();
  readonly refused: string[] = [];

  /**
   * @param account of berth-system
   * @param roles names of the ClusterRoles that count; the sidecars' own stand beside the driver's in one account
   */
  constructor(account: string, roles: readonly string[]) {
    const bound = objects.filter(
      ({ kind, subjects, roleRef }) =>
        kind === 'ClusterRoleBinding' && roles.includes(roleRef.name) && subjects.some(({ name }) => name === account),
    );
    this.#rules = bound.flatMap(
      ({ roleRef }) => objects.find((one) => one.kind === 'ClusterRole' && one.metadata.name === roleRef.name)!.rules,
    );
  }

  readonly allows = ({ verb, group, plural, name }: Call): boolean => {
    const isMet = ({ apiGroups, resources, verbs, resourceNames }: Rule): boolean =>
      apiGroups.includes(group) &&
      resources.includes(plural) &&
      verbs.includes(verb) &&
      (resourceNames === undefined || (name !== undefined && resourceNames.includes(name)));
    const title = titleOf(verb, group, plural);
    if (OPEN.includes(title)) return true;
    if (this.#rules.some(isMet)) this.#used.add(title);
    else this.refused.push(name === undefined ? title : `${title} ${name}`);
    return this.#rules.some(isMet);
  };

  /** What the manifests allow and nobody did. */
  get unused(): readonly string[] {
    const granted = this.#rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((one) => verbs.map((verb) => titleOf(verb, group, one)))),
    );
    return granted.filter((title) => !this.#used.has(title)).toSorted();
  }
}
