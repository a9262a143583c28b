/**
 * Everything that has to be right before a volume can reach a pod, examined check by check. What a check tries is
 * undone at once, and nobody is waited for long.
 */
import type { Finding } from '../model/finding.js';
import { CHECKS, type DoctorCheck, type Examined } from './checks.js';
import { messageOf } from './message-of.js';

/** Never fails; a check that breaks is a finding itself. */
export async function preflight(examined: Examined): Promise<readonly Finding[]> {
  const applicable = CHECKS.filter(({ when }) => when(examined));
  return (await Promise.all(applicable.map((check) => findingsOf(check, examined)))).flat();
}

/** Only what makes every volume fail, and quickly: for readiness. Undefined where there is nothing. */
export async function whyNoVolumeWorks(examined: Examined): Promise<string | undefined> {
  const decisive = CHECKS.filter(({ stopsEveryVolume, when }) => stopsEveryVolume === true && when(examined));
  const findings = await Promise.all(decisive.map((check) => findingsOf(check, examined)));
  const failed = findings.flat().filter(({ level }) => level === 'failed');
  return failed.length === 0 ? undefined : failed.map(({ says }) => says).join('; ');
}

async function findingsOf({ name, find }: DoctorCheck, examined: Examined): Promise<readonly Finding[]> {
  try {
    const found = await find(examined);
    return 'name' in found ? [found] : found;
  } catch (error) {
    return [{ name, level: 'warning', says: `could not be determined: ${messageOf(error)}` }];
  }
}
