/**
 * What an orchestrator says of all that is looked through. It is asked before the first look: what goes while the
 * search is on its way takes its object along, and what has an object now is explained however long the search takes.
 */
import type { Deadline } from '../../../model/deadline.js';
import type { AskContents, ContentKind, KnownContents } from './known-contents.js';
import type { AskVolumes, KnownVolumes } from './known-volumes.js';

export interface KnowledgeParts {
  readonly askVolumes: AskVolumes;
  readonly askContents: AskContents;
}

export interface Knowledge {
  /** Undefined where nobody can say what has a PersistentVolume. */
  readonly volumes: KnownVolumes | undefined;
  /**
   * Undefined where nobody can say what has an object of this kind. To be asked for only where it decides something:
   * the report says then what was left out.
   */
  contents(kind: ContentKind): KnownContents | undefined;
}

/** @param leaveOut is told what is not known and why, in a sentence without its end */
export async function askOrchestrator(
  { askVolumes, askContents }: KnowledgeParts,
  leaveOut: (what: string) => void,
  deadline: () => Deadline,
): Promise<Knowledge> {
  const volumes = await answerOf(() => askVolumes(deadline()));
  if ('why' in volumes) leaveOut(`volumes without a PersistentVolume are not known: ${volumes.why}`);
  const contents = {
    VolumeSnapshotContent: await answerOf(() => askContents('VolumeSnapshotContent', deadline())),
    VolumeGroupSnapshotContent: await answerOf(() => askContents('VolumeGroupSnapshotContent', deadline())),
  };
  return {
    volumes: 'why' in volumes ? undefined : volumes.known,
    contents: (kind) => {
      const answer = contents[kind];
      if (!('why' in answer)) return answer.known;
      leaveOut(`${WHAT[kind]} without a ${kind} are not known: ${answer.why}`);
      return undefined;
    },
  };
}

const WHAT: Readonly<Record<ContentKind, string>> = {
  VolumeSnapshotContent: 'snapshots',
  VolumeGroupSnapshotContent: 'group snapshots',
};

type Answer<T> = { readonly known: T } | { readonly why: string };

async function answerOf<T>(ask: () => Promise<T | undefined>): Promise<Answer<T>> {
  try {
    const known = await ask();
    return known === undefined ? { why: 'there is no Kubernetes' } : { known };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
