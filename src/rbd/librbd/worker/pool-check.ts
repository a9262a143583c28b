/**
 * Has librbd look once whether a pool can hold images, not before every image: a read less for each (option
 * `rbd_validate_pool`).
 */

/** Set the option for the connection; takes effect with the next create that begins. */
type Switch = (on: boolean) => void;

/**
 * The option is the whole connection's. It is off only while every create that runs is in a pool where one has
 * succeeded with it on: what librbd found then (no pool snapshots, overwrites allowed) cannot be taken back, and librbd
 * itself never looks again.
 */
export class PoolCheck {
  readonly #known = new Set<bigint>();
  readonly #look: Switch;
  #looking = 0;

  constructor(look: Switch) {
    this.#look = look;
  }

  /**
   * Run `create` in the pool.
   * @param pool its id, which no later pool gets; undefined where it is known by name only: looked at every time
   * @param create answers 0 where the image was made
   */
  async during(pool: bigint | undefined, create: () => Promise<number>): Promise<number> {
    if (pool !== undefined && this.#known.has(pool)) return create();
    this.#looking += 1;
    if (this.#looking === 1) this.#look(true);
    try {
      const result = await create();
      if (result === 0 && pool !== undefined) this.#known.add(pool);
      return result;
    } finally {
      this.#looking -= 1;
      if (this.#looking === 0) this.#look(false);
    }
  }
}
