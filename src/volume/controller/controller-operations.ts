/** The controller's operations as a use case sees them: it runs one of its own, and does not ask about others. */
import type { Operations } from '../operation/operations.js';
import type { ControllerSteps } from '../operation/steps.js';

export type ControllerOperations = Pick<Operations<ControllerSteps>, 'run'>;
