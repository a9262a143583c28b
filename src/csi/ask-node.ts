/** Asks the driver that runs on this machine, by its socket: what it does is its operation, and nothing races it. */
import { credentials, status, type ServiceError } from '@grpc/grpc-js';
import { BerthError, berthError, isErrorCode } from '../model/errors.js';
import { contract } from './proto.js';

/** How long the driver may take, in ms. */
const ASK_MS = 120_000;

/**
 * NodeUnstageVolume. The errors are the driver's own; BERTH_NOT_READY where none answers.
 * @param endpoint `unix:///absolute/path.sock`
 */
export async function askToUnstage(
  endpoint: string,
  asked: { readonly volumeId: string; readonly stagingTargetPath: string },
): Promise<void> {
  const client = new (contract().v1.Node)(endpoint, credentials.createInsecure());
  try {
    await new Promise<void>((resolve, reject) => {
      client.NodeUnstageVolume(asked, { deadline: Date.now() + ASK_MS }, (error) => {
        if (error === null) resolve();
        else reject(told(error, endpoint));
      });
    });
  } finally {
    client.close();
  }
}

/** As the driver said it: its message begins with the code. */
function told(error: ServiceError, endpoint: string): Error {
  const [code = ''] = error.details.split(':');
  if (isErrorCode(code)) return new BerthError(code, error.details, error);
  const why = `${endpoint} does not answer (${status[error.code]}: ${error.details}); does the node service run here?`;
  return berthError('BERTH_NOT_READY', { why }, error);
}
