/** Numbers and how they are printed: medians, ratios, aligned lines. */

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
};

/** The value below which a share `p` (0 to 1) of them lies. */
export const quantile = (values: readonly number[], p: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] ?? NaN;

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** One figure a line, names in a column; `goal` says what it has to be and whether it is. */
export function figure(name: string, value: string, goal?: { readonly text: string; readonly met: boolean }): void {
  const verdict = goal === undefined ? '' : `   ${goal.met ? 'ok  ' : 'MISS'} (${goal.text})`;
  print(`  ${name.padEnd(58)} ${value.padStart(12)}${verdict}`);
}

export const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
export const rate = (value: number): string => `${value.toFixed(0)} /s`;
export const mib = (kib: number): string => `${(kib / 1024).toFixed(0)} MiB`;
export const times = (value: number): string => `${value.toFixed(2)} x`;
