/** `npm run dev -- --dir D`: a real Ceph cluster and a driver on D/csi.sock, until SIGTERM; `--down` removes all. */
import { parseArgs } from 'node:util';
import { run } from '../host/process/exec.js';
import { chooseReleases, RELEASE_OPTIONS, RELEASE_USAGE } from './root/choose-releases.js';
import { runTool, WrongCall } from './run-tool.js';
import { say } from './say.js';
import { serveDirectory } from './serve-directory.js';
import { takeDown } from './take-down.js';

const USAGE = `usage: npm run dev -- --dir DIRECTORY [--name NAME] [--node-id NODE]
                     [--ceph RELEASE] [--client RELEASE] [-- OPTIONS]
       npm run dev -- --dir DIRECTORY --down

Starts a real Ceph cluster and a development driver, prints "ready ENDPOINT", and stays until SIGTERM.
The cluster lives on and is used again by the next start.

  --dir DIRECTORY  where everything lies; made where it is missing
  --name NAME      one more driver on the same cluster: its files are below DIRECTORY/drivers/NAME
  --node-id NODE   the node that the driver speaks for (dev-node)
  --down           end all that runs there, undo its mounts and mappings, remove every file
${RELEASE_USAGE}  --help           this text
  -- OPTIONS       the driver's own options, handed on as they are: see "berth --help"

A controller and a node as two processes, for a Kubernetes that a kubeconfig leads to:

  npm run dev -- --dir /tmp/berth --name controller -- --services controller --kubernetes /root/.kube/config
  npm run dev -- --dir /tmp/berth --name node --node-id "$(hostname)" -- --services node \\
    --kubernetes /root/.kube/config --kubelet-dir /var/lib/kubelet
`;

/** The tool's own arguments, and after the first "--" those of the driver. */
function split(args: readonly string[]): { readonly own: string[]; readonly driver: readonly string[] } {
  const at = args.indexOf('--');
  return at < 0 ? { own: [...args], driver: [] } : { own: args.slice(0, at), driver: args.slice(at + 1) };
}

await runTool(USAGE, async () => {
  const { own, driver } = split(process.argv.slice(2));
  const { values } = parseArgs({
    args: own,
    options: {
      dir: { type: 'string', default: '' },
      name: { type: 'string' },
      'node-id': { type: 'string', default: 'dev-node' },
      down: { type: 'boolean', default: false },
      ...RELEASE_OPTIONS,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.dir === '') throw new WrongCall('--dir is missing');
  if (!values.down) {
    const code = await chooseReleases(run, values, say);
    if (code !== undefined) return code;
    const { dir: directory, name, 'node-id': nodeId } = values;
    return serveDirectory({ directory, name, nodeId, options: driver });
  }
  if (driver.length > 0 || values.name !== undefined) throw new WrongCall('--down takes everything in --dir down');
  await takeDown(values.dir);
  return 0;
});
