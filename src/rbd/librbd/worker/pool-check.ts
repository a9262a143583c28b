/**
 * Lets librbd check once, and not before every create, whether a pool can take images (option `rbd_validate_pool`):
 * that saves a read for each image.
 */

/** Set the option for the connection; takes effect with the next create that begins. */
type Switch = (on: boolean) => void;

/**
 * The option is the whole connection's. It is off only while every create that runs is in a pool where one has
 * succeeded with it on: what librbd found then (no pool snapshots, overwrites allowed) cannot change any more, and
 * librbd itself never checks again.
 */
export class PoolCheck {
  readonly #known = new Set<bigint>();
  readonly #setCheck: Switch;
  #checking = 0;

  constructor(setCheck: Switch) {
    this.#setCheck = setCheck;
  }

  /**
   * Run `create` in the pool.
   * @param pool its id, which no later pool gets; undefined where it is known by name only: checked every time
   * @param create answers 0 where the image was made
   */
  async duringCreate(pool: bigint | undefined, create: () => Promise<number>): Promise<number> {
    if (pool !== undefined && this.#known.has(pool)) return create();
    this.#checking += 1;
    if (this.#checking === 1) this.#setCheck(true);
    try {
      const result = await create();
      if (result === 0 && pool !== undefined) this.#known.add(pool);
      return result;
    } finally {
      this.#checking -= 1;
      if (this.#checking === 0) this.#setCheck(false);
    }
  }
}
