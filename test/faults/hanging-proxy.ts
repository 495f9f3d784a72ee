import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

export interface HangingProxy {
  readonly port: number;
  /** From now on nothing passes, and nobody hangs up. */
  hang(): void;
  /** What waited passes now. */
  resume(): void;
  close(): Promise<void>;
}

/** Passes bytes on to a server on this machine, until it is told to hang: a server that is there and says nothing. */
export async function startHangingProxy(serverPort: number): Promise<HangingProxy> {
  const sockets = new Set<Socket>();
  let hanging = false;

  function pass(from: Socket, to: Socket): void {
    sockets.add(from);
    if (hanging) from.pause();
    from.on('data', (bytes) => to.write(bytes));
    from.on('error', () => undefined);
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  }

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    pass(client, upstream);
    pass(upstream, client);
    if (hanging) for (const socket of [client, upstream]) socket.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    hang() {
      hanging = true;
      for (const socket of sockets) socket.pause();
    },
    resume() {
      hanging = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
