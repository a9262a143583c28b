/** docs/security.md names every privilege that the manifests give, and none that they do not. */
import { describe, expect, it } from 'vitest';
import { node, objects, text } from './objects.js';

const page = text('docs/security.md');
/** What stands between backticks in the first column of its tables. */
const named = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .flatMap((line) => [...line.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));

describe('docs/security.md', () => {
  it('explains every path of the host that the node plugin sees', () => {
    const paths = node.volumes.flatMap(({ hostPath }) => (hostPath === undefined ? [] : [hostPath.path]));
    expect(named.filter((name) => name.startsWith('/')).toSorted()).toEqual([...new Set(paths)].toSorted());
  });

  it('explains every namespace of the host that the node plugin is in', () => {
    const given = Object.entries(node).filter(([name, value]) => name.startsWith('host') && value === true);
    expect(named.filter((name) => name.startsWith('host')).toSorted()).toEqual(given.map(([name]) => name).toSorted());
  });

  it('explains every role', () => {
    const roles = objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');
    expect(named.filter((name) => name.startsWith('berth-')).toSorted()).toEqual(
      [...new Set(roles.map(({ metadata }) => metadata.name))].toSorted(),
    );
  });
});
