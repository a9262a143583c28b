/** Every filesystem that Berth knows. One that is missing here, or has something missing, does not compile. */
import type { FilesystemType } from '../../model/capability.js';
import { ext4 } from './ext4.js';
import type { Filesystem } from './filesystem.js';
import { xfs } from './xfs.js';

export const filesystems: Readonly<Record<FilesystemType, Filesystem>> = { ext4, xfs };
