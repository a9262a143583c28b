/** The Ceph releases that development knows, and the suites of Debian that have them. */

/** Ceph 16, 18 and 20. */
export type CephRelease = '16' | '18' | '20';

/** What Debian calls the suite with that release. */
export type Suite = 'bookworm' | 'trixie' | 'sid';

export const SUITE_OF: Readonly<Record<CephRelease, Suite>> = { 16: 'bookworm', 18: 'trixie', 20: 'sid' };

export const CEPH_RELEASES = Object.keys(SUITE_OF) as readonly CephRelease[];

export const isCephRelease = (text: string): text is CephRelease => Object.hasOwn(SUITE_OF, text);
