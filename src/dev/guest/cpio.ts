/**
 * Writes the archive that the kernel unpacks as its first root filesystem: cpio, "newc"
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';

const DIRECTORY = 0o040_000;
const SYMLINK = 0o120_000;
const REGULAR = 0o100_000;
const ALIGNMENT = 4;

const padding = (length: number): Buffer => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

export class Archive {
  readonly #parts: Buffer[] = [];
  #inode = 1;

  directory(name: string): this {
    return this.#entry(name, DIRECTORY | 0o755, Buffer.alloc(0));
  }

  file(name: string, content: Buffer | string, mode = 0o644): this {
    return this.#entry(name, REGULAR | mode, Buffer.from(content));
  }

  /** A directory of the host with everything in it, below `name`. */
  async tree(name: string, source: string): Promise<this> {
    this.directory(name);
    for (const entry of await readdir(source)) {
      const [inside, outside] = [`${name}/${entry}`, path.join(source, entry)];
      const { mode } = await lstat(outside);
      const kind = mode & 0o170_000;
      if (kind === DIRECTORY) await this.tree(inside, outside);
      else if (kind === SYMLINK) this.#entry(inside, SYMLINK | 0o777, Buffer.from(await readlink(outside)));
      else if (kind === REGULAR) this.file(inside, await readFile(outside), mode & 0o777);
    }
    return this;
  }

  end(): Buffer {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  #entry(name: string, mode: number, data: Buffer): this {
    const links = (mode & DIRECTORY) !== 0 && data.length === 0 ? 2 : 1;
    const inode = this.#inode++;
    // inode, mode, uid, gid, links, mtime, size, device of the file (2), device it stands for (2), length of the name,
    // checksum
    const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
    const numbers = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
    const header = Buffer.from(`070701${numbers}${name}\0`);
    this.#parts.push(header, padding(header.length), data, padding(data.length));
    return this;
  }
}
