/** The rbd-nbd program as it is run: map, attach, unmap, list; what it says becomes an error of the catalogue. */
import { runToAnswer } from '../../../host/process/run-to-answer.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, type BerthError } from '../../../model/errors.js';
import { settleAll } from '../../../model/settle-all.js';
import { imageSpec, type ImageSpec } from '../../../model/volume-id.js';
import { cephTimeouts, clientArguments, daemonTimeouts, withKeyFile } from '../ceph-client.js';
import { byAddress } from '../../resolve-monitors.js';
import { locationName } from '../location-name.js';
import type { MapRequest, Mapping } from '../mapper.js';
import { explainRbd, lastWords, type RbdRefusal } from '../rbd-messages.js';
import {
  ABILITY_ARGUMENTS,
  explainRbdNbd,
  knowsOption,
  NO_COMMAND,
  parseListMapped,
  type ListedNbd,
  type NbdAbilities,
} from './rbd-nbd-messages.js';

/**
 * s that the kernel keeps requests for a daemon that has died, where they are to wait for its successor: a day, while
 * reconciliation starts one in the round after the cluster answers. The kernel knows no "for ever" (0 fails them at
 * once), and something that waits for a daemon which nobody can replace must end some time.
 */
const SUCCESSOR_SECONDS = 86_400;
/** The same where no successor can be: it is known to the kernel by its cookie, or not at all. */
const NO_SUCCESSOR_SECONDS = 60;
/** The first kernel that keeps the cookie (NBD_ATTR_BACKEND_IDENTIFIER). */
const COOKIE_KERNEL = [5, 14] as const;
/**
 * s that the kernel waits longer than librbd, which knows what the cluster does and fails one request: the kernel's
 * timeout takes the whole daemon away (nbd_xmit_timeout), and is there for a daemon that hangs.
 */
const KERNEL_MARGIN_SECONDS = 30;

export const nbdMapError = (image: ImageSpec, why: string): BerthError =>
  berthError('BERTH_MAP_FAILED', { image: imageSpec(image), mapper: 'nbd', why });

/** Knows after the first run which options this version of the program has. */
export class RbdNbdProgram {
  readonly #exec: Exec;
  readonly #keyDirectory: string;
  readonly #kernelRelease: string;
  #abilities: NbdAbilities | undefined;

  /** @param keyDirectory for key files that live as long as one run; on a tmpfs */
  constructor(exec: Exec, keyDirectory: string, kernelRelease: string) {
    this.#exec = exec;
    this.#keyDirectory = keyDirectory;
    this.#kernelRelease = kernelRelease;
  }

  /** Start a daemon with a device of its own. BERTH_MAP_FAILED and what {@link explainRbdNbd} knows; DEADLINE. */
  async map(request: MapRequest, deadline: Deadline): Promise<void> {
    const can = await this.#can(deadline);
    await this.#runDaemon(
      request,
      ['map', ...deviceArguments(request, can), ...this.#timeouts(request, can)],
      deadline,
    );
  }

  /** Start a daemon for a device that has none any more, known to the kernel by its cookie. Errors as {@link map}. */
  async attach(
    { device, readOnly }: Pick<Mapping, 'device' | 'readOnly'>,
    cookie: string,
    request: MapRequest,
    deadline: Deadline,
  ): Promise<void> {
    const can = await this.#can(deadline);
    const args = ['attach', '--device', device, '--cookie', cookie, ...this.#timeouts(request, can)];
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
    const access = await byAddress(request.image.access);
    const asked = { ...request, image: { ...request.image, access } };
    await withKeyFile(this.#keyDirectory, access.key, async (keyFile) => {
      const args = [
        ...clientArguments(access, keyFile),
        // Not needed by the daemon: its command line tells whose cluster the image is of, also where there is no
        // cookie.
        ...['--fsid', request.fsid],
        ...command,
        imageSpec(request.image),
      ];
      const env = daemonTimeouts(deadline, request.ioTimeoutSeconds);
      const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env });
      if (result.exitCode !== 0) throw await this.#explain(result, asked, keyFile, deadline);
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

  /**
   * `--io-timeout 0` tells the kernel to wait for an answer (it logs "Possible stuck request" every 30 s), also where
   * the device had another timeout from a daemon before.
   */
  #timeouts({ ioTimeoutSeconds }: MapRequest, can: NbdAbilities): readonly string[] {
    const waits = ioTimeoutSeconds === 0;
    const canSucceed = can.cookie && keepsCookies(this.#kernelRelease);
    const successor = canSucceed ? SUCCESSOR_SECONDS : NO_SUCCESSOR_SECONDS;
    const dead = waits ? successor : ioTimeoutSeconds;
    const silent = waits ? 0 : ioTimeoutSeconds + KERNEL_MARGIN_SECONDS;
    return [
      ...(can.reattachTimeout ? ['--reattach-timeout', String(dead)] : []),
      ...(can.ioTimeout ? ['--io-timeout', String(silent)] : []),
    ];
  }

  async #can(deadline: Deadline): Promise<NbdAbilities> {
    this.#abilities ??= await this.#tryAbilities(deadline);
    return this.#abilities;
  }

  async #tryAbilities(deadline: Deadline): Promise<NbdAbilities> {
    const [netlink, cookie, reattachTimeout, ioTimeout] = await settleAll(
      this.#knows(ABILITY_ARGUMENTS.netlink, deadline),
      this.#knows(ABILITY_ARGUMENTS.cookie, deadline),
      this.#knows(ABILITY_ARGUMENTS.reattachTimeout, deadline),
      this.#knows(ABILITY_ARGUMENTS.ioTimeout, deadline),
    );
    return { netlink, cookie, reattachTimeout, ioTimeout };
  }

  /** One run of 10 ms, which neither reads a configuration nor meets a cluster. BERTH_MAPPER_UNAVAILABLE, DEADLINE. */
  async #knows(args: readonly string[], deadline: Deadline): Promise<boolean> {
    const [option = ''] = args;
    const { stderr } = await runToAnswer(this.#exec, 'rbd-nbd', [...args, NO_COMMAND], { deadline });
    const isKnown = knowsOption(stderr, option);
    if (isKnown !== undefined) return isKnown;
    // Taken for "cannot", a device would have no cookie: after the death of its daemon, what was written is lost.
    const why = `whether rbd-nbd knows ${option} cannot be told; it said: ${stderr.trim() || 'nothing'}`;
    throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'nbd', why });
  }
}

/**
 * Of the `mapOptions`, rbd-nbd takes none yet: they are krbd's, which a class with `mounter: auto` may carry for other
 * nodes.
 */
const deviceArguments = ({ image, fsid, readOnly }: MapRequest, can: NbdAbilities): readonly string[] => [
  ...(can.netlink ? ['--try-netlink'] : []),
  ...(can.netlink && can.cookie ? ['--cookie', locationName({ ...image, fsid })] : []),
  ...(readOnly ? ['--read-only'] : []),
];

function keepsCookies(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return major > COOKIE_KERNEL[0] || (major === COOKIE_KERNEL[0] && minor >= COOKIE_KERNEL[1]);
}
