/**
 * `destroy --simulate`: the whole way against the simulator, in a process of its own.
 *
 * Always on an embedded database of its own: rooms of a simulation on the real queue
 * would be destroyed for real by the workers there.
 */
import { join } from 'node:path';
import type { Config } from '../config.js';
import { forkSimulator } from '../simulator/fork.js';
import { demoApp } from '../simulator/simulator-options.js';
import { say, type Io } from './io.js';

export interface Simulation {
  config: Config;
  close(): Promise<void>;
}

/** @param faultsFile - rooms with faults, in the format of the simulator's `--rooms`. */
export async function startSimulation(
  config: Config,
  faultsFile: string | undefined,
  io: Io,
): Promise<Simulation> {
  const simulator = await forkSimulator({
    anyRoom: true,
    ...(faultsFile === undefined ? {} : { roomsFile: faultsFile }),
  });
  say(
    io,
    `simulated: every room goes to a stand-in API at ${simulator.url}; nothing reaches Tencent`,
  );
  return {
    config: {
      ...config,
      sdkAppId: demoApp.sdkAppId,
      credentials: demoApp,
      endpoint: simulator.url,
      queueUrl: 'embedded',
      databaseUrl: 'embedded',
      dataDir: join(config.dataDir, 'simulation'),
    },
    close: () => simulator.close(),
  };
}
