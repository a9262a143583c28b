/** Settings as they are given become checked values; a wrong one is answered by a sentence that names it. */
import type { BerthError } from '../model/errors.js';
import { usageError } from '../options/usage-error.js';
import {
  COUNT,
  SETTINGS,
  whyNotVariables,
  type Pattern,
  type Setting,
  type SettingValue,
  type Variables,
} from './settings.js';

export type SettingValues = ReadonlyMap<string, SettingValue>;

/** `path=text`, each as it was given. */
export interface GivenSettings {
  readonly set: readonly string[];
  /** `path=text` where the text was read from a file. */
  readonly files: readonly string[];
}

const VARIABLES = 'variables.';

/** All settings, those that were not given by their defaults. BERTH_USAGE */
export function readSettings({ set, files }: GivenSettings): SettingValues {
  const values = new Map(SETTINGS.map(({ path, fallback }): [string, SettingValue] => [path, fallback]));
  for (const [option, all] of [['--set', set] as const, ['--set-file', files] as const]) {
    for (const given of all) {
      const [path = '', text] = /^([^=]*)=([^]*)$/.exec(given)?.slice(1) ?? [];
      if (text === undefined) throw settingError(option, `"${given}" is not NAME=VALUE`);
      setOne(values, option, path, text);
    }
  }
  for (const setting of SETTINGS) check(setting, values.get(setting.path) ?? '');
  return values;
}

function setOne(values: Map<string, SettingValue>, option: string, path: string, text: string): void {
  if (path.startsWith(VARIABLES)) {
    const before = values.get('variables') as Variables;
    values.set('variables', { ...before, [path.slice(VARIABLES.length)]: text });
    return;
  }
  const setting = SETTINGS.find((one) => one.path === path);
  if (setting === undefined || setting.kind === 'variables')
    throw settingError(option, `"${path}" is no setting; there are ${SETTINGS.map((one) => one.path).join(', ')}`);
  if (setting.kind === 'key' && option === '--set')
    throw settingError(option, `${path} is a key, which others would see: --set-file ${path}=FILE`);
  values.set(path, valueOf(setting, setting.kind === 'key' ? text.trim() : text));
}

function valueOf({ path, kind }: Setting, text: string): SettingValue {
  if (kind === 'switch') {
    if (text !== 'true' && text !== 'false') throw settingError(path, `"${text}" is neither true nor false`);
    return text === 'true';
  }
  if (kind !== 'count') return text;
  if (!new RegExp(COUNT).test(text)) throw settingError(path, `"${text}" is no whole number above zero`);
  return Number(text);
}

function check({ path, kind, pattern, whyNot }: Setting, value: SettingValue): void {
  if (kind === 'variables') {
    const why = whyNotVariables(value as Variables);
    if (why !== undefined) throw settingError(path, why);
  }
  if (typeof value !== 'string') return;
  if (pattern !== undefined && !isAsWanted(value, pattern)) {
    // A key stands in no sentence.
    const shown = kind === 'key' ? 'what is given' : `"${value}"`;
    throw settingError(path, `${shown} is not ${pattern.wants}`);
  }
  const why = whyNot?.(value);
  if (why !== undefined) throw settingError(path, why);
}

const isAsWanted = (text: string, { text: wanted, unless }: Pattern): boolean =>
  new RegExp(wanted).test(text) && (unless === undefined || !new RegExp(unless).test(text));

const settingError = (where: string, why: string): BerthError => usageError(where, why, 'berth manifests --help');
