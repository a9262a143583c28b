/** Every step of every operation, in its usual order: what an operation may name, what a crash test kills it at. */

/**
 * A step begins with its act and ends with the next step, so each durable act stands between two names. `start` and
 * `answer` are every operation's first and last. A step that is not listed here does not compile; one that no crash
 * test reaches fails there.
 */
export const NODE_STEPS = {
  stage: [
    'read journal',
    'cut off',
    'unmount lost',
    'unmap lost',
    'write mending',
    'unmount sick',
    'look',
    'watchers',
    'unmount leftover',
    'unmap leftover',
    'write intent',
    'take holder record',
    'roll growth back',
    'record rolled back',
    'map',
    'unmap other kind',
    'map as asked',
    'record clients',
    'device size',
    'record raw use',
    'probe',
    'repair',
    'record format intent',
    'mkfs',
    'record format end',
    'apply journal of copy',
    'record uuid intent',
    'set uuid',
    'record uuid end',
    'grow before mount',
    'record growth',
    'take growth snapshot',
    'resize unmounted',
    'record grown',
    'remove growth snapshot',
    'mount',
    'grow after mount',
    'unmount for guest',
    'write staged',
    'undo mount',
    'undo map',
    'undo holder record',
    'undo journal',
  ],
  publish: [
    'look',
    'write mending',
    'unmount sick',
    'check sick',
    'mount anew',
    'mount on host',
    'own by group',
    'write unmounted',
    'unmount for guest',
    'mark as written by guest',
    'write target',
    'switch device',
    'make target',
    'bind',
    'mount guard',
    'write kata record',
    'undo target',
    'undo journal',
  ],
  unpublish: ['look', 'remove kata record', 'unmount', 'remove target', 'write target'],
  unstage: [
    'read journal',
    'write unstaging',
    'unmount',
    'unmap',
    'give holder record back',
    'remove journal',
    'unmount unrecorded',
    'unmap unrecorded',
    'set journal aside',
  ],
  expand: [
    'look',
    'device size',
    'grow filesystem',
    'record growth',
    'take growth snapshot',
    'resize unmounted',
    'record grown',
    'remove growth snapshot',
  ],
} as const;

/** What the node does of itself, when nobody asks. */
export const RECONCILE_STEPS = {
  reconcile: [
    'read journal',
    'look',
    'write unstaging',
    'unmount',
    'unmap',
    'remove kata record',
    'remove target',
    'write outcome',
    'cut off',
    'unmount lost',
    'unmap lost',
    'give holder record back',
    'remove journal',
    'record clients',
    'reattach',
    'drop',
    'record guest client',
    'remove mount point',
    'remove data file',
    'remove directory',
  ],
} as const;

/** Handing an image to a runtime that opens it by itself, and reclaiming it from there. */
export const HAND_OVER_STEPS = {
  handover: [
    'look',
    'read journal',
    'guest user',
    'unmap leftover',
    'watchers',
    'write intent',
    'take holder record',
    'roll growth back',
    'record rolled back',
    'map',
    'record clients',
    'probe',
    'repair',
    'record format intent',
    'mkfs',
    'record format end',
    'grow filesystem',
    'record growth',
    'take growth snapshot',
    'resize unmounted',
    'record grown',
    'remove growth snapshot',
    'unmap',
    'mark as written by guest',
    'write file',
    'write staged',
    'undo file',
    'undo map',
    'undo holder record',
    'undo journal',
  ],
  takeback: [
    'read journal',
    'write unstaging',
    'remove file',
    'unmap leftover',
    'watchers',
    'give holder record back',
    'remove journal',
  ],
} as const;

/**
 * FlexVolume knows no staging: a mount stages and publishes, an unmount unpublishes and unstages, each as one
 * operation. These steps are its own; those of its acts are entered as the acts' own (RunningOperation.within).
 */
export const FLEXVOLUME_STEPS = {
  mount: ['read journal'],
  unmount: [],
} as const;

export const CONTROLLER_STEPS = {
  create: [
    'pool capacity',
    'try mkfs',
    'create image',
    'clear away unfinished',
    'look',
    'cut source',
    'clone image',
    'resize copy',
    'trash cut',
    'list as deep',
    'record copy',
    'stand alone',
    'drop cut',
  ],
  delete: ['look', 'claim', 'watchers', 'give claim back', 'mark', 'move aside', 'clear away unfinished'],
  attach: ['look', 'watchers', 'holder record', 'make user'],
  detach: ['look', 'watchers', 'fence', 'holder record', 'drop user'],
  expand: ['look', 'resize image'],
  createSnapshot: [
    'look',
    'claim name',
    'take snapshot',
    'look at snapshot',
    'write name',
    'undo snapshot',
    'give name back',
  ],
  deleteSnapshot: ['look', 'forget name', 'remove snapshot', 'restore name'],
  createGroup: [
    'look',
    'claim name',
    'clear earlier',
    'take snapshots',
    'look at snapshots',
    'write taken',
    'undo snapshots',
    'give name back',
  ],
  deleteGroup: ['look', 'claim delete', 'remove snapshots', 'forget name'],
} as const;

/** What a controller does when nobody asks, one image at a time: no operation that a caller could join. */
export const BACKGROUND_STEPS = {
  flatten: ['look', 'take lease', 'copy slice', 'note parent', 'cut link', 'forget clone', 'remove cut', 'strike off'],
} as const;

/** What an operation enters before its first step and after its last one, when only the answer is missing. */
export const START = 'start';
export const ANSWER = 'answer';

export type StepTable = Readonly<Record<string, readonly string[]>>;
export type NodeSteps = typeof NODE_STEPS & typeof RECONCILE_STEPS & typeof HAND_OVER_STEPS & typeof FLEXVOLUME_STEPS;
export type ControllerSteps = typeof CONTROLLER_STEPS;
/** What an orchestrator may ask of a node. */
export type NodeOperationName = keyof typeof NODE_STEPS;
/** A step of the node's operation `Op`. */
export type NodeStep<Op extends NodeOperationName> = NodeSteps[Op][number];
