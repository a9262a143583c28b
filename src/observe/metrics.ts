/** Counters, gauges and histograms of this process, in the text format that Prometheus reads: prom-client's. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

/** A value for each set of labels. */
export type Samples = readonly (readonly [Labels, number])[];

/** Names of labels, each with the values that are shown as 0 before anything is counted. */
export type KnownLabels = Readonly<Record<string, readonly string[]>>;

interface Read {
  readonly help: string;
  readonly labels: readonly string[];
  /** Asked at each scrape. */
  readonly read: () => Samples | Promise<Samples>;
}

export class Counters {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();

  /** Announce a counter, so that it is shown as 0 before anything is counted. @param name ends in `_total` */
  declare(name: string, help: string, labels: KnownLabels = {}): void {
    if (this.#counters.has(name)) return;
    const counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] });
    this.#counters.set(name, counter);
    const [[label, known] = ['', []], ...more] = Object.entries(labels);
    // What counts by two labels would have to be known in pairs.
    if (more.length === 0) for (const value of known) counter.inc({ [label]: value }, 0);
  }

  /** So many more, one unless said. The counter must have been declared, with these labels. */
  count(name: string, labels: Labels = {}, by = 1): void {
    const counter = this.#counters.get(name);
    if (counter === undefined) throw new Error(`no counter ${name}`);
    counter.inc(labels, by);
  }

  /** Announce what is measured when it is asked for; the one of the same name before is forgotten. */
  gauge(name: string, { help, labels, read }: Read): void {
    this.#registry.removeSingleMetric(name);
    const collect = async function (this: Gauge): Promise<void> {
      const samples = await read();
      this.reset();
      // Without labels a reset one is 0, and with them it is nothing.
      for (const [of, value] of samples) this.set(of, value);
    };
    new Gauge({ name, help, labelNames: [...labels], registers: [this.#registry], collect });
  }

  /** What somebody else counts and only rises: read when it is asked for. @param name ends in `_total` */
  counted(name: string, { help, labels, read }: Read): void {
    this.#registry.removeSingleMetric(name);
    const collect = async function (this: Counter): Promise<void> {
      const samples = await read();
      this.reset();
      for (const [of, value] of samples) this.inc(of, value);
    };
    new Counter({ name, help, labelNames: [...labels], registers: [this.#registry], collect });
  }

  /** Announce times that are observed one by one. @param buckets upper ends, in s @param name ends in `_seconds` */
  times(name: string, help: string, labels: readonly string[], buckets: readonly number[]): void {
    if (this.#histograms.has(name)) return;
    const of = { name, help, labelNames: [...labels], buckets: [...buckets], registers: [this.#registry] };
    this.#histograms.set(name, new Histogram(of));
  }

  /** One time, in s. It must have been announced, with these labels. */
  observe(name: string, labels: Labels, seconds: number): void {
    const histogram = this.#histograms.get(name);
    if (histogram === undefined) throw new Error(`no times ${name}`);
    histogram.observe(labels, seconds);
  }

  /** The exposition, version 0.0.4. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
