/** A mapper makes itself ready while the holder record is taken, opens nothing before, and is asked as it opens. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { berthError } from '../../../../src/model/errors.js';
import type { Mapper, Mapping, MapRequest } from '../../../../src/rbd/mapping/mapper.js';
import { GROWTH_KEY } from '../../../../src/volume/image/growth-record.js';
import type { FoundVolume } from '../../../../src/volume/image/find-volume.js';
import { takeAndMap, type TakeAndMapParts, type TakenImage } from '../../../../src/volume/node/stage/take-and-map.js';
import { nodeNamed } from '../../../fakes/node-named.js';
import { soon } from '../controller/memory-cluster.js';

const ADDRESS = '10.0.0.1:0/1';
const MAPPING = { mapper: 'loop', device: '/dev/loop7', readOnly: false } as Mapping;
const refused = berthError('BERTH_GRANT_OUTDATED', { volume: 'v', node: 'a', why: 'detached since' });
const notMapped = berthError('BERTH_MAP_FAILED', { image: 'p/i', mapper: 'loop', why: 'no' });

/** What happened, in its order. */
let events: string[];
let allow: () => void;
let refuse: (why: Error) => void;
let found: FoundVolume;
let map: (request: MapRequest) => Promise<Mapping>;
let isEmpty: () => Promise<boolean>;
let recordStaged: () => Promise<FoundVolume['head']>;
/** Whether a stranger has the image open when it is opened, and goes again. */
let isStrange: boolean;

const note =
  <T>(event: string, value: T) =>
  (): Promise<T> => {
    events.push(event);
    return Promise.resolve(value);
  };

beforeEach(() => {
  events = [];
  const head = { id: 'ab', fsid: 'f', metadata: new Map<string, string>(), sizeBytes: 1n, features: [], locks: [] };
  const at = { access: {}, pool: 'p', namespace: '', image: 'i' };
  found = { volume: 'c/p/i', at, head } as unknown as FoundVolume;
  isEmpty = note('is it empty', true);
  recordStaged = note('record clients', found.head);
  isStrange = false;
  map = async (request) => {
    events.push('make ready');
    await request.mayOpen;
    events.push('open');
    request.opened?.();
    return MAPPING;
  };
});

const parts = () => {
  const mappers = { named: () => ({ name: 'loop' }) };
  const taken = new Promise<FoundVolume['head']>((resolve, reject) => {
    allow = () => resolve(found.head);
    refuse = reject;
  });
  const holderRecords = { take: () => taken, recordStaged: () => recordStaged() };
  const rbd = { isEmpty: () => isEmpty(), openAhead: note('open ahead', undefined) };
  const log = { warn: vi.fn() };
  return { rbd, holderRecords, mappers, log, self: nodeNamed('a') } as unknown as TakeAndMapParts;
};

const step = (name: string): void => void events.push(`step ${name}`);

function begin(more: { readonly isNew?: boolean; readonly mapper?: Partial<Mapper> } = {}): Promise<TakenImage> {
  const mapper = { name: 'loop', map: (request: MapRequest) => map(request), ...more.mapper } as Mapper;
  const entry = { fsid: 'f', readOnly: false } as JournalEntry;
  const listAgain = async (_found: unknown, _kernel: unknown, _deadline: unknown, waited?: () => void) => {
    await Promise.resolve();
    if (isStrange) waited?.();
    events.push('list watchers');
    return [{ address: ADDRESS, client: 1n }];
  };
  const before = { watchers: [], listAgain };
  const image = { entry, found, right: { by: 'node' }, record: undefined, mapper, before, isNew: more.isNew === true };
  const running = takeAndMap(parts(), image as never, { step, straggler: () => undefined }, soon());
  running.catch(() => undefined);
  return running;
}

/** All that needs no more than promises has happened. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a stage that takes the record and maps', () => {
  it('has the mapper make itself ready meanwhile, and opens the image only when the record is taken', async () => {
    const running = begin();
    await turn();
    expect(events).toEqual(['step take holder record', 'make ready']);
    allow();
    const { mapping, found: taken } = await running;
    expect([mapping, taken.head]).toEqual([MAPPING, found.head]);
    expect(events.slice(2, 5)).toEqual(['step map', 'open ahead', 'open']);
  });

  it('opens nothing where the record is refused, and says why', async () => {
    const running = begin();
    refuse(refused);
    await expect(running).rejects.toBe(refused);
    expect(events).toEqual(['step take holder record', 'make ready']);
  });

  it('gives the refusal also where the mapper has failed by itself', async () => {
    map = () => Promise.reject(notMapped);
    const running = begin();
    await turn();
    refuse(refused);
    await expect(running).rejects.toBe(refused);
  });

  it('waits until the record is taken where the mapper has failed: it is given back by its caller', async () => {
    map = () => Promise.reject(notMapped);
    let isOver = false;
    const running = begin().catch((error: unknown) => {
      isOver = true;
      return error;
    });
    await turn();
    expect(isOver).toBe(false);
    allow();
    expect(await running).toBe(notMapped);
  });

  it('lets the mapper wait as well where a growth is half done', async () => {
    const known = { version: 1, volume: 'c/p/i', fsid: 'f', id: 'ab' };
    const growth = { ...known, state: 'growing', snapshot: 's', size: '1', node: 'a', mounts: '1', tries: 1 };
    found = { ...found, head: { ...found.head, metadata: new Map([[GROWTH_KEY, JSON.stringify(growth)]]) } };
    const running = begin();
    await turn();
    expect(events).toEqual(['step take holder record']);
    refuse(refused);
    await expect(running).rejects.toBe(refused);
    expect(events).toEqual(['step take holder record']);
  });
});

describe('an image that was opened', () => {
  it('has its clients listed and recorded at once, and not again when it is mapped', async () => {
    const running = begin();
    allow();
    const { early, mapping } = await running;
    expect(await early.clients(mapping)).toEqual([ADDRESS]);
    const about = events.filter((one) => /watchers|clients|empty/.test(one));
    expect(about).toEqual(['step record clients', 'list watchers', 'record clients']);
    expect(await early.isEmpty(found.at, soon())).toBe(true);
    expect(events.at(-1)).toBe('is it empty');
  });

  it('and may be new is asked at the same time whether it is empty, once', async () => {
    const running = begin({ isNew: true });
    allow();
    const { early } = await running;
    expect(await early.isEmpty(found.at, soon())).toBe(true);
    expect(events.filter((one) => one === 'is it empty')).toHaveLength(1);
  });

  it('is asked again where the early question failed', async () => {
    let answers = 0;
    isEmpty = () => ((answers += 1) === 1 ? Promise.reject(notMapped) : Promise.resolve(false));
    const running = begin({ isNew: true });
    allow();
    const { early } = await running;
    expect(await early.isEmpty(found.at, soon())).toBe(false);
    expect(answers).toBe(2);
  });

  it('is asked again where a stranger had it open and went: he may have written', async () => {
    isStrange = true;
    const running = begin({ isNew: true });
    allow();
    const { early } = await running;
    isEmpty = () => Promise.resolve(false);
    expect(await early.isEmpty(found.at, soon())).toBe(false);
  });

  it('by the kernel is asked again as well, whose clients are listed beside the question', async () => {
    isStrange = true;
    let answers = 0;
    isEmpty = () => Promise.resolve((answers += 1) === 1);
    const running = begin({ isNew: true, mapper: { clientOf: () => Promise.resolve(undefined) } });
    allow();
    const { early } = await running;
    const [, is] = await Promise.all([early.clients(MAPPING), early.isEmpty(found.at, soon())]);
    expect([is, answers]).toEqual([false, 2]);
  });

  it('by the kernel is asked when its device is there, which tells the client', async () => {
    const clientOf = () => Promise.resolve({ address: ADDRESS, client: 'client.1' });
    const running = begin({ mapper: { clientOf } });
    allow();
    const { early } = await running;
    expect(events).not.toContain('record clients');
    await early.clients(MAPPING);
    expect(events).toContain('record clients');
  });

  it('and then not mapped has no write under way when the stage is undone', async () => {
    let recorded: (head: FoundVolume['head']) => void = () => undefined;
    recordStaged = () => new Promise((resolve) => (recorded = resolve));
    // Who reads only may go on.
    isEmpty = () => new Promise(() => undefined);
    map = async (request) => {
      await request.mayOpen;
      request.opened?.();
      throw notMapped;
    };
    let isOver = false;
    const running = begin({ isNew: true }).catch((error: unknown) => {
      isOver = true;
      return error;
    });
    allow();
    await turn();
    expect(isOver).toBe(false);
    recorded(found.head);
    expect(await running).toBe(notMapped);
  });
});
