/** Ends 0 when the event loop behind a CSI socket turns: the kernel accepts connections for a stuck process too, but sends no HTTP/2 settings. */
import { connect as connectHttp } from 'node:http2';
import { connect } from 'node:net';

const socket = process.argv[2] ?? '/csi/csi.sock';
/** Below the probe's own timeout, so that the reason is in its event, ms. */
const PATIENCE_MS = 8_000;

const fail = (why) => {
  process.stderr.write(`${socket}: ${why}\n`);
  process.exit(1);
};

setTimeout(() => fail(`no answer in ${PATIENCE_MS} ms`), PATIENCE_MS).unref();
const session = connectHttp('http://localhost', { createConnection: () => connect(socket) });
session.once('error', (error) => fail(error.message));
session.once('close', () => fail('closed without an answer'));
session.once('remoteSettings', () => process.exit(0));
