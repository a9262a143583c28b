/**
 * Run while an image is built, for each architecture: loads the prebuilt koffi and through it librados and librbd as
 * the driver will.
 */
import { loadCeph } from '../../dist/src/rbd/librbd/foreign/bindings.js';

loadCeph();
process.stdout.write(`node ${process.version} on ${process.arch} calls librados and librbd\n`);
