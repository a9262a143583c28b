/** What ControllerPublish tells the node by way of the orchestrator: nothing that the image itself could say. */

/** `true` where the attach was asked for read-only; the node then maps the image read-only. */
export const READ_ONLY = 'berth.dev/readonly';
