/** A cephx key from a keyring file of the node, only from the directory that its administrator gave for that. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { berthError } from '../model/errors.js';
import { Secret } from '../model/secret.js';
import type { Credentials } from './clusters.js';

/** BERTH_FIELD_INVALID where it lies elsewhere, has no key, or none of this user. */
export async function readKeyring(directory: string, file: string, user: string | undefined): Promise<Credentials> {
  const keyringError = (why: string): Error => berthError('BERTH_FIELD_INVALID', { field: 'keyring', why });
  // A pod spec names it, and could as well name the administrator's.
  const given = path.resolve(directory, file);
  if (path.dirname(given) !== path.resolve(directory)) throw keyringError(`it must lie in ${directory}`);
  // A file that an administrator linked there is as good.
  const text = await readFile(given, 'utf8').catch((error: unknown) => {
    throw keyringError(`${given} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'failed'})`);
  });
  const sections = [...text.matchAll(/^\s*\[client\.([^\]\s]+)\]([^[]*)/gm)];
  const found = user === undefined ? sections : sections.filter(([, name]) => name === user);
  const [first, second] = found;
  if (first === undefined) throw keyringError(`${given} holds no client${user === undefined ? '' : `.${user}`}`);
  if (second !== undefined) throw keyringError(`${given} holds several clients; say user`);
  const [, name = '', body = ''] = first;
  const key = /^\s*key\s*=\s*(\S+)/m.exec(body)?.[1];
  if (key === undefined) throw keyringError(`${given} holds no key of client.${name}`);
  return { user: name, key: new Secret(key) };
}
