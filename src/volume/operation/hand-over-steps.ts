/**
 * The steps of handing an image to a runtime that opens it by itself, and of taking it back; beside those of steps.ts.
 */

export const HAND_OVER_STEPS = {
  handover: [
    ...['look', 'read journal', 'guest user', 'unmap leftover', 'watchers', 'write intent', 'take holder record'],
    ...[
      'map',
      'record clients',
      'probe',
      'repair',
      'record format intent',
      'mkfs',
      'record format end',
      'grow filesystem',
      'unmap',
    ],
    ...[
      'mark as written by guest',
      'write file',
      'write staged',
      'undo file',
      'undo map',
      'undo holder record',
      'undo journal',
    ],
  ],
  takeback: [
    ...['read journal', 'write unstaging', 'remove file', 'unmap leftover', 'watchers'],
    ...['give holder record back', 'remove journal'],
  ],
} as const;
