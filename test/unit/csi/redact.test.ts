/** Redaction goes by the contract's option, not by names. */
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { contract } from '../../../src/csi/proto.js';
import { blot, redact } from '../../../src/csi/redact.js';

// Names that mislead on purpose: what is called secrets is public, what is called hint is not.
const trap = protobuf.parse(`
  syntax = "proto3";
  package trap;
  message Inner { string hint = 1 [(csi_secret) = true]; string shown = 2; }
  message Outer {
    string secrets = 1;
    string hint = 2 [(csi_secret) = true];
    Inner inner = 3;
    repeated Inner list = 4;
    map<string, Inner> by_name = 5;
    map<string, string> plain = 6;
    repeated string words = 7 [(csi_secret) = true];
  }
`).root;
const outer = trap.lookupType('trap.Outer');
const KEY = 'AQDkq3Rm0000000000000000000000000000000==';

describe('redact', () => {
  it('leaves out marked fields whatever they are called, and keeps a public one called secrets', () => {
    expect(redact(outer, { secrets: 'public', hint: KEY, words: [KEY], plain: { a: 'b' } })).toEqual({
      secrets: 'public',
      plain: { a: 'b' },
    });
  });

  it('finds marked fields inside messages, lists and maps', () => {
    const inner = { hint: KEY, shown: 'yes' };
    expect(redact(outer, { inner, list: [inner, inner], byName: { one: inner } })).toEqual({
      inner: { shown: 'yes' },
      list: [{ shown: 'yes' }, { shown: 'yes' }],
      byName: { one: { shown: 'yes' } },
    });
  });

  it('leaves out what the contract does not know and survives what is not a message', () => {
    expect(redact(outer, { smuggled: KEY })).toEqual({});
    expect(redact(outer, null)).toEqual({});
    expect(redact(outer, 'text')).toEqual({});
  });

  it('does not change the request', () => {
    const request = { hint: KEY, inner: { hint: KEY } };
    redact(outer, request);
    expect(request).toEqual({ hint: KEY, inner: { hint: KEY } });
  });

  it('leaves out mount flags of a CSI request and keeps the rest of the capability', () => {
    const type = contract().root.lookupType('csi.v1.NodeStageVolumeRequest');
    const volumeCapability = { mount: { fsType: 'xfs', mountFlags: ['password=x'] }, accessMode: { mode: 1 } };
    expect(redact(type, { volumeId: 'v', volumeCapability, secrets: { userKey: KEY } })).toEqual({
      volumeId: 'v',
      volumeCapability: { mount: { fsType: 'xfs' }, accessMode: { mode: 1 } },
    });
  });

  it('leaves no secret of any request of the contract', () => {
    const csi = contract().root.lookup('csi.v1') as protobuf.Namespace;
    const types = csi.nestedArray.filter((one) => one instanceof protobuf.Type);
    const requests = types.filter(({ name }) => name.endsWith('Request'));
    for (const type of requests) {
      expect(JSON.stringify(redact(type, { secrets: { userKey: KEY } })), type.name).toBe('{}');
    }
    expect(requests).toHaveLength(32);
  });
});

describe('blot', () => {
  it('removes a key that an error text quotes, also from a nested field', () => {
    expect(blot(`rbd said: bad key ${KEY}`, outer, { inner: { hint: KEY } })).toBe('rbd said: bad key ***');
    expect(blot(`${KEY} ${KEY}`, outer, { words: [KEY] })).toBe('*** ***');
  });

  it('keeps short values, such as the user name, readable', () => {
    expect(blot('cluster refused user csi-rbd-node', outer, { hint: 'csi-rbd-node' })).toBe(
      'cluster refused user csi-rbd-node',
    );
  });
});
