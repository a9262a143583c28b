/**
 * Counters of what happened, in the text format that Prometheus reads; kept in memory, from the start of the process.
 */

export type Labels = Readonly<Record<string, string>>;

interface Gauge {
  readonly help: string;
  readonly read: () => readonly (readonly [Labels, number])[];
}

export class Counters {
  readonly #counters = new Map<string, { readonly help: string; readonly values: Map<string, number> }>();
  readonly #gauges = new Map<string, Gauge>();

  /** Announce a counter, so that it is shown as 0 before anything is counted. @param name ends in `_total` */
  declare(name: string, help: string): void {
    if (!this.#counters.has(name)) this.#counters.set(name, { help, values: new Map() });
  }

  /** Announce what is measured when it is asked for: a value for each set of labels. */
  gauge(name: string, help: string, read: () => readonly (readonly [Labels, number])[]): void {
    this.#gauges.set(name, { help, read });
  }

  /** So many more, one unless said. The counter must have been declared. */
  count(name: string, labels: Labels = {}, by = 1): void {
    const counter = this.#counters.get(name);
    if (counter === undefined) throw new Error(`no counter ${name}`);
    const key = labelText(labels);
    counter.values.set(key, (counter.values.get(key) ?? 0) + by);
  }

  value(name: string, labels: Labels = {}): number {
    return this.#counters.get(name)?.values.get(labelText(labels)) ?? 0;
  }

  /** The exposition, version 0.0.4. */
  text(): string {
    const lines = [...this.#counters].flatMap(([name, { help, values }]) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} counter`,
      ...(values.size === 0 ? [`${name} 0`] : [...values].map(([labels, value]) => `${name}${labels} ${value}`)),
    ]);
    const gauges = [...this.#gauges].flatMap(([name, { help, read }]) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} gauge`,
      ...read().map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
    ]);
    return [...lines, ...gauges].map((line) => `${line}\n`).join('');
  }
}

const escape = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.sort().join(',')}}`;
}
