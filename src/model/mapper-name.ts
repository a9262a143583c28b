/** The mappers by name: what StorageClass, command line, journal and doctor call them. */

/** Best first: the kernel client is the fastest and needs no process. The third is in a development driver only. */
export const MAPPER_NAMES = ['krbd', 'nbd', 'loop'] as const;
export type MapperName = (typeof MAPPER_NAMES)[number];

/** The StorageClass parameter `mounter` and the option `--mounter`; `auto` takes the best that works. */
export type MounterChoice = MapperName | 'auto';
export const MOUNTER_CHOICES: readonly MounterChoice[] = ['auto', ...MAPPER_NAMES];

/** What a person does to undo a mapping of each; the device follows. What ships names no tool of the third. */
export const UNMAP_BY_HAND: Readonly<Record<MapperName, string>> = {
  krbd: 'rbd unmap -o noudev',
  nbd: 'rbd-nbd unmap',
  loop: 'detach',
};
