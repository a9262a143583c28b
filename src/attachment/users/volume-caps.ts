/**
 * What the user of one volume may do: all with the image, read what it stands on, and nothing with any other image.
 * Tried cap by cap on a real cluster (docs/ceph-users.md).
 */
import type { PoolSpec } from '../../model/volume-id.js';
import type { ImageObjects, UserCaps } from '../../rbd/port/user-port.js';

/** An image as caps name it. */
export interface CappedImage extends PoolSpec, Pick<ImageObjects, 'data'> {
  readonly imageId: string;
}

export interface VolumeReach {
  readonly image: string;
  readonly own: CappedImage;
  /** All that it stands on, however deep. */
  readonly below: readonly CappedImage[];
  /** Of the data; its record is written by each who has the volume. */
  readonly readOnly: boolean;
}

/**
 * Managers and metadata servers have nothing to do with a volume. They are named all the same, with what means nothing,
 * so that the controller's own caps can say that it makes no user with more.
 */
const NOTHING = { mgr: 'allow command nothing', mds: 'allow r path=/none' } as const;

/**
 * `profile rbd` reads the maps and puts single instances on the blocklist, by which a client takes the exclusive lock
 * over from one that died.
 */
const MON = 'profile rbd';

/** What caps can name without a quote, a comma or a blank; the rest of Ceph's names is nothing that Berth makes. */
const PLAIN = /^[\w./-]+$/;

/** Why caps cannot be bound to this volume; undefined where they can. */
export function whyNotCapped({ image, own, below }: VolumeReach): string | undefined {
  const places = [own, ...below].flatMap(({ pool, namespace, data }) => [pool, data.pool, namespace]);
  const strange = [image, ...places].find((name) => name !== '' && !PLAIN.test(name));
  return strange === undefined ? undefined : `"${strange}" has letters in it that caps cannot name`;
}

export function capsOf({ image, own, below, readOnly }: VolumeReach): UserCaps {
  const data = readOnly ? 'r class-read' : 'rwx';
  const clauses = [
    ...openClauses(own),
    // rbd, rbd-nbd and QEMU ask whether a namespace is there before they open anything in it.
    ...(own.namespace === '' ? [] : [`class rbd dir_state_assert ${at(own, 'rbd_directory')}`]),
    `r class-read ${at(own, `rbd_id.${image}`)}`,
    `rwx ${at(own, `rbd_header.${own.imageId}`)}`,
    `${data} ${at(own, `rbd_object_map.${own.imageId}`)}`,
    `${data} ${at(dataOf(own), `${own.data.prefix}.`)}`,
    ...below.flatMap((one) => [
      ...openClauses(one),
      `r class-read ${at(one, `rbd_header.${one.imageId}`)}`,
      `r class-read ${at(one, `rbd_object_map.${one.imageId}`)}`,
      `r class-read ${at(dataOf(one), `${one.data.prefix}.`)}`,
    ]),
  ];
  return { mon: MON, ...NOTHING, osd: [...new Set(clauses)].map((clause) => `allow ${clause}`).join(', ') };
}

/**
 * What librbd asks of a pool while it opens an image: its settings, and the name of an image by its id. By these three
 * methods alone, for the objects have the names of all images.
 */
const openClauses = (image: PoolSpec): readonly string[] => [
  `class rbd metadata_list ${at({ pool: image.pool, namespace: '' }, 'rbd_info')}`,
  `class rbd dir_get_name ${at(image, 'rbd_directory')}`,
  `class rbd trash_get ${at(image, 'rbd_trash')}`,
];

const dataOf = ({ namespace, data }: CappedImage): PoolSpec => ({ pool: data.pool, namespace });

/** Without a namespace a cap would be about all of them; the default one is "". */
const at = ({ pool, namespace }: PoolSpec, prefix: string): string =>
  `pool=${pool} namespace=${namespace === '' ? '""' : namespace} object_prefix ${prefix}`;
