/** Whether an error is about a cluster as a whole: who goes through many volumes asks it for no other one then. */
import { isBerthError } from '../model/errors.js';

/** False for what is wrong with one volume, one pool or one record: the next one may well be served. */
export const isClusterSilent = (error: unknown): boolean =>
  isBerthError(
    error,
    'BERTH_CLUSTER_UNREACHABLE',
    'BERTH_CLUSTER_AUTH_FAILED',
    'BERTH_CREDENTIALS_INVALID',
    'BERTH_CREDENTIALS_MISSING',
    'BERTH_CLIENT_EVICTED',
    'BERTH_WORKER_DIED',
    'BERTH_DEADLINE',
  );
