/** A uuid as sixteen bytes of a superblock hold it. */

/** In small letters, with its hyphens. */
export const uuidAt = (block: Buffer, at: number): string =>
  block.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
