/** Where packages of another suite come from: the mirror that this machine itself uses. */
import { describe, expect, it } from 'vitest';
import { mirrorIn } from '../../../../src/dev/root/private-apt.js';

const DEB822 = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
`;

describe('the mirror in a file of sources', () => {
  it.each([
    ['deb822, the security archive beside it', DEB822, 'http://mirror.example/debian'],
    ['deb822, security first', DEB822.split('\n\n').reverse().join('\n\n'), 'http://mirror.example/debian'],
    ['one line', 'deb http://mirror.example/debian bookworm main\n', 'http://mirror.example/debian'],
    ['one line with options', 'deb [arch=amd64] https://m.example/debian/ sid main', 'https://m.example/debian/'],
    ['several addresses', 'URIs: https://a.example/other file:/srv/debian', 'file:/srv/debian'],
    ['a source only', 'deb-src http://mirror.example/debian bookworm main', undefined],
    ['somebody else’s archive', 'deb https://packages.example/node_20.x nodistro main', undefined],
    ['switched off', '# deb http://mirror.example/debian bookworm main', undefined],
  ])('%s', (_, text, mirror) => {
    expect(mirrorIn(text)).toBe(mirror);
  });
});
