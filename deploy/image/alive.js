/**
 * Ends 0 when the event loop behind a CSI socket turns: the kernel accepts connections for a stuck process too, but
 * sends no HTTP/2 settings.
 */
import { connect as connectHttp } from 'node:http2';
import { connect } from 'node:net';

/** The patience, in ms, stays below the probe's own timeout, so that the reason is in its event. */
const [socket = '/csi/csi.sock', patience = '8000'] = process.argv.slice(2);

const fail = (why) => {
  process.stderr.write(`${socket}: ${why}\n`);
  process.exit(1);
};

setTimeout(() => fail(`no answer in ${patience} ms`), Number(patience));
const session = connectHttp('http://localhost', { createConnection: () => connect(socket) });
session.once('error', (error) => fail(error.message));
session.once('close', () => fail('closed without an answer'));
session.once('remoteSettings', () => process.exit(0));
