/** The rbd-nbd program as it is run: map, attach, unmap, list; what it says becomes an error of the catalogue. */
import { runToAnswer } from '../../../host/process/run-to-answer.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, type BerthError } from '../../../model/errors.js';
import { imageSpec, type ImageSpec } from '../../../model/volume-id.js';
import { cephTimeouts, clientArguments, withKeyFile } from '../ceph-client.js';
import { locationName } from '../location-name.js';
import type { MapRequest, Mapping } from '../mapper.js';
import { explainRbd, lastWords, type RbdRefusal } from '../rbd-messages.js';
import { abilities, explainRbdNbd, parseListMapped, type ListedNbd, type NbdAbilities } from './rbd-nbd-messages.js';

/** s until the kernel gives up a request; 0 would wait for ever for a daemon that hangs. */
const IO_TIMEOUT_S = 120;
/** s that the kernel keeps requests for a daemon that died and may come back. */
const REATTACH_TIMEOUT_S = 60;

export const nbdMapError = (image: ImageSpec, why: string): BerthError =>
  berthError('BERTH_MAP_FAILED', { image: imageSpec(image), mapper: 'nbd', why });

/** Knows after the first run which options this version of the program has. */
export class RbdNbdProgram {
  readonly #exec: Exec;
  readonly #keyDirectory: string;
  #abilities: NbdAbilities | undefined;

  /** @param keyDirectory for key files that live as long as one run; on a tmpfs */
  constructor(exec: Exec, keyDirectory: string) {
    this.#exec = exec;
    this.#keyDirectory = keyDirectory;
  }

  /** Start a daemon with a device of its own. BERTH_MAP_FAILED and what {@link explainRbdNbd} knows; DEADLINE. */
  async map(request: MapRequest, deadline: Deadline): Promise<void> {
    const can = await this.#can(deadline);
    await this.#runDaemon(request, ['map', ...deviceArguments(request, can)], deadline);
  }

  /** Start a daemon for a device that has none any more, known to the kernel by its cookie. Errors as {@link map}. */
  async attach(
    { device, readOnly }: Pick<Mapping, 'device' | 'readOnly'>,
    cookie: string,
    request: MapRequest,
    deadline: Deadline,
  ): Promise<void> {
    const can = await this.#can(deadline);
    const args = ['attach', '--device', device, '--cookie', cookie, ...timeouts(can)];
    await this.#runDaemon({ ...request, readOnly }, readOnly ? [...args, '--read-only'] : args, deadline);
  }

  /** Undefined, or what rbd-nbd said where it did not unmap. DEADLINE. */
  async unmap(device: string, deadline: Deadline): Promise<RbdRefusal | undefined> {
    const args = ['--conf', '/dev/null', 'unmap', device];
    const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env: cephTimeouts(deadline) });
    return result.exitCode === 0 ? undefined : result;
  }

  /** The devices whose daemons run. */
  async listMapped(deadline: Deadline): Promise<readonly ListedNbd[]> {
    const args = ['--conf', '/dev/null', 'list-mapped', '--format', 'json'];
    return parseListMapped((await this.#exec('rbd-nbd', args, { deadline })).stdout);
  }

  async #runDaemon(request: MapRequest, command: readonly string[], deadline: Deadline): Promise<void> {
    const { access } = request.image;
    await withKeyFile(this.#keyDirectory, access.key, async (keyFile) => {
      const args = [
        ...clientArguments(access, keyFile),
        // Not needed by the daemon: its command line tells whose cluster the image is of, also where there is no
        // cookie.
        ...['--fsid', request.fsid],
        ...command,
        imageSpec(request.image),
      ];
      const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env: cephTimeouts(deadline) });
      if (result.exitCode !== 0) throw await this.#explain(result, request, keyFile, deadline);
    });
  }

  /**
   * rbd-nbd goes to the background before it opens the image and loses the reason why it could not; `rbd info` knows
   * it.
   */
  async #explain(refusal: RbdRefusal, request: MapRequest, keyFile: string, deadline: Deadline): Promise<BerthError> {
    const said = explainRbdNbd(refusal, request);
    if (said !== undefined) return said;
    const args = [...clientArguments(request.image.access, keyFile), 'info', imageSpec(request.image)];
    const info = await runToAnswer(this.#exec, 'rbd', args, { deadline, env: cephTimeouts(deadline) });
    if (info.exitCode !== 0) return explainRbd(info, request, 'nbd');
    return nbdMapError(request.image, lastWords(refusal));
  }

  async #can(deadline: Deadline): Promise<NbdAbilities> {
    if (this.#abilities === undefined) {
      const { stdout, stderr } = await runToAnswer(this.#exec, 'rbd-nbd', ['--help'], { deadline });
      this.#abilities = abilities(stdout + stderr);
    }
    return this.#abilities;
  }
}

/**
 * Of the `mapOptions`, rbd-nbd takes none yet: they are krbd's, which a class with `mounter: auto` may carry for other
 * nodes.
 */
const deviceArguments = ({ image, fsid, readOnly }: MapRequest, can: NbdAbilities): readonly string[] => [
  ...(can.netlink ? ['--try-netlink'] : []),
  ...(can.netlink && can.cookie ? ['--cookie', locationName({ ...image, fsid })] : []),
  ...timeouts(can),
  ...(readOnly ? ['--read-only'] : []),
];

const timeouts = (can: NbdAbilities): readonly string[] => [
  ...(can.reattachTimeout ? ['--reattach-timeout', String(REATTACH_TIMEOUT_S)] : []),
  ...(can.ioTimeout ? ['--io-timeout', String(IO_TIMEOUT_S)] : []),
];
