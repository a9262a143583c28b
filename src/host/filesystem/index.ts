/** Filesystems on block devices: what is there, making, repairing and growing one. The parts are in filesystem/. */
export { growOffline, growOnline, type OfflineGrowth, type OnlineGrowth } from './resize.js';
export { makeFilesystem, minimumSizeBytes, type NewFilesystem } from './mkfs.js';
export { parseMkfsOptions } from './mkfs-options.js';
export { findSignature, holdsFilesystem, probe, UNSIGNED_DATA, type Content } from './probe.js';
export { checkForGuest, repairBeforeMount, type Repair } from './repair.js';
export { filesystemSize, hasErrors, readSuperblock, type Superblock } from './superblock.js';
