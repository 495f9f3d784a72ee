export { startSimulator, type Simulator } from './simulator.js';
export type { SimulatorOptions } from './options.js';
export { forkSimulator, type ForkedSimulator } from './fork.js';
export type { ForkOptions } from './child-messages.js';
export { formatReport, type SimulatorReport } from './report.js';
export { statisticsOf, type Statistic } from './statistics.js';
export { numberedRooms } from './room-list.js';
export type { RoomState } from './rooms.js';
export { DEFAULT_ADMIN_IDENTIFIER, DEMO_SDK_APP_ID, DEMO_SECRET_KEY } from './demo.js';
