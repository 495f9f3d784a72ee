import { freePort } from './program.js';
import { type OwnServer, untilItAnswers } from './server.js';

export interface ServerContainer {
  image: string;
  port: number;
  command: string[];
  environment?: Record<string, string>;
  file?: { source: string; target: string };
  url: (host: string, port: number) => string;
  ask: (url: string) => Promise<void>;
}

/** A server in a container; its port on the host is fixed, so that it survives a restart. */
export async function startContainer(server: ServerContainer): Promise<OwnServer> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const port = await freePort();
  const definition = new GenericContainer(server.image)
    .withExposedPorts({ container: server.port, host: port })
    .withEnvironment(server.environment ?? {})
    .withCopyFilesToContainer(server.file ? [{ ...server.file, mode: 0o644 }] : [])
    .withCommand(server.command)
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(60_000);
  const container = await definition.start();
  const url = server.url(container.getHost(), port);
  const runtime = await getContainerRuntimeClient();
  const handle = runtime.container.getById(container.getId());
  const answers = (): Promise<void> => untilItAnswers(server.image, () => server.ask(url));

  const isRunning = async (): Promise<boolean> => (await handle.inspect()).State.Running;

  let stopped: Promise<unknown> | undefined;
  const stop = async (): Promise<void> => {
    stopped ??= container.stop({ remove: true, removeVolumes: true });
    await stopped;
  };

  try {
    await answers();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    async kill(signal = 'SIGKILL') {
      await handle.kill({ signal });
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await handle.wait();
    },
    async restart() {
      if (await isRunning()) await handle.stop();
      await handle.start();
      await answers();
    },
    stop,
  };
}
