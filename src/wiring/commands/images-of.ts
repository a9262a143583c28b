/** What images say, by the user of what this process would serve: in a node's pod there is no other. */
import type { ImageDescriptions, ImageStates } from '../../diagnosis/attachment/gather-attachment.js';
import { imageStates } from '../../diagnosis/attachment/image-state.js';
import { makeControllerParts } from '../controller-parts.js';
import type { Dependencies } from '../dependencies.js';

export const imagesOf = (dependencies: Dependencies): ImageStates & ImageDescriptions =>
  imageStates(
    makeControllerParts(dependencies),
    dependencies.options.services.includes('controller') ? 'controller' : 'node',
  );
