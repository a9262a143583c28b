/** The size limits that CSI 1.12 sets on every message, checked before any use case sees a request. */
import type { Field, Type } from 'protobufjs';
import protobuf from 'protobufjs';
import { type BerthError, berthError } from '../model/errors.js';

/** In bytes of UTF-8 ("Size Limits"; node_id and paths override them in their own field's text). */
const STRING = 128;
const NODE_ID = 256;
const MAP = 4096;
const MOUNT_FLAGS = 4096;
/** PATH_MAX without its closing NUL. */
const PATH = 4095;

// U+0000-08, 0B, 0C, 0E-1F, 7F-9F: what CSI forbids in the names that the orchestrator chooses.
const CONTROL = /[\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{7f}-\u{9f}]/u;

const bytes = (text: unknown): number => (typeof text === 'string' ? Buffer.byteLength(text) : 0);
const total = (texts: readonly unknown[]): number => texts.reduce<number>((sum, text) => sum + bytes(text), 0);
const spellings = new Map<string, string>();
/** The contract's spelling of a field, for the error; kept, since every field of every message is looked at. */
function snake(name: string): string {
  let spelt = spellings.get(name);
  if (spelt === undefined) {
    spelt = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    spellings.set(name, spelt);
  }
  return spelt;
}

const tooLongError = (field: string, have: number, limit: number): BerthError =>
  berthError('BERTH_FIELD_INVALID', { field, why: `${have} bytes, the limit is ${limit}` });

/** Throws BERTH_FIELD_INVALID naming the first field of `message` (of `type`) that is over its limit, at any depth. */
export function checkLimits(type: Type, message: object, prefix = ''): void {
  for (const field of type.fieldsArray) {
    const value: unknown = Reflect.get(message, field.name);
    if (value !== undefined && value !== null) checkField(field, value, prefix + snake(field.name));
  }
}

function checkField(field: Field, value: unknown, at: string): void {
  if (field.map) {
    checkMap(value, at);
  } else if (field.repeated && Array.isArray(value)) {
    checkList(field, value, at);
  } else {
    checkValue(field, value, at);
  }
}

function checkMap(value: unknown, at: string): void {
  if (typeof value !== 'object' || value === null) return;
  let have = 0;
  for (const [key, one] of Object.entries(value)) have += bytes(key) + bytes(one);
  if (have > MAP) throw tooLongError(at, have, MAP);
}

function checkList(field: Field, values: readonly unknown[], at: string): void {
  if (field.name === 'mountFlags') {
    const have = total(values);
    if (have > MOUNT_FLAGS) throw tooLongError(at, have, MOUNT_FLAGS);
    return;
  }
  for (const [index, value] of values.entries()) checkValue(field, value, `${at}[${index}]`);
}

function checkValue(field: Field, value: unknown, at: string): void {
  const nested = field.resolve().resolvedType;
  if (nested instanceof protobuf.Type && typeof value === 'object' && value !== null) {
    checkLimits(nested, value, `${at}.`);
  }
  if (field.type !== 'string' || typeof value !== 'string') return;
  const have = bytes(value);
  const limit = limitOf(field.name);
  if (have > limit) throw tooLongError(at, have, limit);
  if (field.name === 'name' && CONTROL.test(value)) {
    throw berthError('BERTH_FIELD_INVALID', { field: at, why: 'control characters are not allowed' });
  }
}

function limitOf(name: string): number {
  if (name === 'nodeId') return NODE_ID;
  return name.endsWith('Path') ? PATH : STRING;
}
