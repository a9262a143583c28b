/**
 * The directory in which a storage daemon's FUSE files lie, one for each image, named so that the kernel alone tells
 * what is mapped.
 */
import { chmod, mkdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { listDirectory } from '../../host/device/kernel-attribute.js';
import { isErrno } from '../../host/errno.js';
import { findLoops } from './loop-device.js';
import { locationName, parseLocationName } from '../../rbd/mapping/location-name.js';
import type { ImageLocation, Mapping } from '../../rbd/mapping/mapper.js';

export class ExportDirectory {
  readonly #stateDir: string;
  readonly #directory: string;
  /** Once it is known; the state directory does not move while a driver runs. */
  #resolved: string | undefined;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#directory = path.join(stateDir, 'exports');
  }

  /** Make it, and everything above it in the state directory, for root's eyes only. */
  async prepare(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await chmod(this.#stateDir, 0o700);
  }

  /** Resolved, as the kernel shows the backing files of loop devices. */
  async path(): Promise<string> {
    try {
      this.#resolved ??= await realpath(this.#directory);
      return this.#resolved;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return this.#directory;
      throw error;
    }
  }

  /** The file that is, or would be, this image. Nobody may stat it in this process: the daemon behind it may hang. */
  async file(location: ImageLocation): Promise<string> {
    return path.join(await this.path(), locationName(location));
  }

  /**
   * May the daemon have this image open? Its file is made before the image is opened and removed after it was closed.
   * The directory tells: a look at the file itself might hang.
   */
  async hasFile(location: ImageLocation): Promise<boolean> {
    return listDirectory(await this.path()).includes(locationName(location));
  }

  /** Loop devices on files of this directory, read from the kernel; also dead ones. */
  async mappings(): Promise<readonly Mapping[]> {
    const directory = await this.path();
    const mappings: Mapping[] = [];
    for (const { device, file, readOnly } of await findLoops()) {
      if (path.dirname(file) !== directory) continue;
      const location = parseLocationName(path.basename(file));
      if (location !== undefined) mappings.push({ mapper: 'loop', location, device, readOnly });
    }
    return mappings;
  }
}
