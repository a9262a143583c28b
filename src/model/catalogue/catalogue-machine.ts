/** The part of the catalogue that is about this machine: its programs, processes, directories, and the journal. */
import { entry } from './catalogue-entry.js';

export const machine = {
  BERTH_COMMAND_FAILED: entry('INTERNAL', '{command} failed ({how}): {stderr}', 'see the node plugin log'),
  BERTH_COMMAND_MISSING: entry(
    'FAILED_PRECONDITION',
    'the program {command} is not installed',
    'install it on the node or in the image',
  ),
  BERTH_PACKAGES_MISSING: entry(
    'FAILED_PRECONDITION',
    'this machine lacks {what}',
    'install the packages {packages} (as root on a Debian family system Berth does it itself)',
  ),
  BERTH_DIRECTORY_BUSY: entry(
    'ABORTED',
    '{directory} is in use: {holder}',
    'wait for it to end or end it, then try again',
  ),
  BERTH_DAEMON_FAILED: entry('INTERNAL', '{daemon} did not start: {why}', 'see {log}'),
  BERTH_DRIVER_DIED: entry('INTERNAL', 'the driver ended ({how})', 'its log {log} ends with: {lines}'),
  BERTH_LEFTOVER: entry(
    'FAILED_PRECONDITION',
    '{what} could not be removed: {why}',
    'end what uses it, then try again',
  ),
  BERTH_LIBRARY_MISSING: entry(
    'FAILED_PRECONDITION',
    'the library {library} cannot be loaded: {why}',
    'install librados2 and librbd1 (14.2 or newer) on the node or in the image',
  ),
  BERTH_JOURNAL_UNREADABLE: entry(
    'FAILED_PRECONDITION',
    'journal entry {file} cannot be used: {why}',
    'let the volume leave this node (unpublish and unstage go by the kernel alone), then bring it again',
  ),
  BERTH_JOURNAL_NEWER: entry(
    'FAILED_PRECONDITION',
    'journal entry {file} has version {have}, this Berth knows version {known}',
    'run the Berth that wrote it on this node again; drain the node before you go back to an older one',
  ),
  BERTH_JOURNAL_WRITE_FAILED: entry(
    'INTERNAL',
    'journal entry {file} could not be written: {why}',
    'nothing was done; free space on the state directory',
  ),
} as const;
