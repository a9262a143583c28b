/** Filesystems on block devices: what is there, making, repairing and growing one. The parts are in filesystem/. */
export { growOffline, growOnline, type OfflineGrowth, type OnlineGrowth } from './filesystem/grow.js';
export { makeFilesystem, minimumSizeBytes, type NewFilesystem } from './filesystem/mkfs.js';
export { parseMkfsOptions } from './filesystem/mkfs-options.js';
export { findSignature, holdsFilesystem, probe, UNSIGNED_DATA, type Content } from './filesystem/probe.js';
export { checkForGuest, repairBeforeMount, type Repair } from './filesystem/repair.js';
export { filesystemSize, hasErrors, readSuperblock, type Superblock } from './filesystem/superblock.js';
