export { openEmbedded, type EmbeddedDatabase, type EmbeddedOptions } from './open-embedded.js';
export type { EmbeddedConnection } from './endpoint.js';
