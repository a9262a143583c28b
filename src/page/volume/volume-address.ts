/** The address of one volume's page: `/volume?pv=NAME`, and for those without one `?volume=HANDLE` or `?claim=NAME`. */
import type { VolumeNamed } from '../../diagnosis/trace/find-bound.js';
import type { WatchedVolume } from '../../diagnosis/volumes/watched-volumes.js';
import { parseVolumeId } from '../../model/volume-id.js';

/** By its PersistentVolume where there is one: by its handle all of them would have to be looked through. */
export function addressOfVolume({ pv, volume }: Pick<WatchedVolume, 'pv' | 'volume'>): string {
  const name: Record<string, string> = pv === undefined ? { volume: volume ?? '' } : { pv };
  return `/volume?${new URLSearchParams(name).toString()}`;
}

/** More than Kubernetes and CSI allow any of them. */
const LONGEST = 1_024;

/** Undefined where the address names none, or what cannot be the name of one. */
export function volumeNamed(query: URLSearchParams): VolumeNamed | undefined {
  const text = (name: string): string | undefined => {
    const value = query.get(name) ?? '';
    return value === '' || value.length > LONGEST ? undefined : value;
  };
  const [pv, handle, claim] = [text('pv'), text('volume'), text('claim')];
  if (pv !== undefined) return isName(pv) ? { pv } : undefined;
  if (handle !== undefined) return parseVolumeId(handle) === undefined ? undefined : { handle };
  if (claim === undefined) return undefined;
  const [namespace = '', name = '', more] = claim.split('/');
  return isName(namespace) && isName(name) && more === undefined ? { claim } : undefined;
}

/** As Kubernetes names objects: nothing else gets into a path of its API. */
const isName = (text: string): boolean => /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text);
