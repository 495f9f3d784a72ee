/** Several Redis servers that are one queue: a cluster, and a primary with a replica and Sentinels. */
import { busPort } from './redis.js';
import { startRedisServer, withRedis, type OwnServer } from './servers.js';

export interface RedisGroup {
  /** For QUEUE_URL. */
  url: string;
  servers: OwnServer[];
  /** The one that has the queue now. */
  primary(): Promise<OwnServer>;
  stop(): Promise<void>;
}

const hostOf = (server: OwnServer) => new URL(server.url).host;

async function stopAll(servers: readonly OwnServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

async function eventually(what: string, look: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  while (!(await look().catch(() => false))) {
    if (Date.now() > giveUpAt) throw new Error(`it does not hold that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const slots = 16_384;

/** Three nodes with a third of the keys each; `replicas`: three more, each of one of them. */
export async function startCluster(options: { replicas?: boolean } = {}): Promise<RedisGroup> {
  const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' };
  const start = () => startRedisServer({ settings });
  const masters = await Promise.all([start(), start(), start()]);
  const replicas = options.replicas ? await Promise.all([start(), start(), start()]) : [];
  const servers = [...masters, ...replicas];
  for (const [index, server] of masters.entries()) {
    const [first, last] = [index, index + 1].map((part) => Math.floor((part * slots) / 3));
    await withRedis(server.url, async (redis) => {
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', first ?? 0, (last ?? 0) - 1);
      for (const other of servers) {
        const port = Number(new URL(other.url).port);
        await redis.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort(port));
      }
    });
  }
  const isWhole = (server: OwnServer) =>
    withRedis(server.url, async (redis) => {
      const info = String(await redis.call('CLUSTER', 'INFO'));
      return info.includes('state:ok') && info.includes(`known_nodes:${servers.length}\r`);
    });
  for (const server of servers) await eventually('the cluster is whole', () => isWhole(server));
  for (const [index, replica] of replicas.entries()) {
    const master = masters[index]?.url ?? '';
    const id = await withRedis(master, (redis) => redis.call('CLUSTER', 'MYID'));
    await withRedis(replica.url, (redis) => redis.call('CLUSTER', 'REPLICATE', String(id)));
    await eventually('a replica follows', () =>
      withRedis(replica.url, async (redis) => (await redis.info()).includes('link_status:up')),
    );
  }
  return {
    url: `redis-cluster://${masters.map(hostOf).join(',')}`,
    servers,
    async primary() {
      for (const server of servers) {
        const slot = withRedis(server.url, (redis) => redis.call('EXISTS', '{bull}:none'));
        if ((await slot.catch(() => undefined)) === 0) return server;
      }
      throw new Error('no node has the keys of a queue');
    },
    stop: () => stopAll(servers),
  };
}

/** A primary, a replica and three Sentinels, which are asked under the name `main`. */
export async function startSentinels(): Promise<RedisGroup> {
  const [primary, replica] = await Promise.all([startRedisServer(), startRedisServer()]);
  const { hostname, port } = new URL(primary.url);
  await withRedis(replica.url, (redis) => redis.replicaof(hostname, port));
  const sentinel = [
    `sentinel monitor main ${hostname} ${port} 2`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 5000',
    '',
  ].join('\n');
  const start = () => startRedisServer({ sentinel });
  const sentinels = await Promise.all([start(), start(), start()]);
  for (const each of sentinels) {
    await eventually('the Sentinels know the replica and each other', () =>
      withRedis(each.url, async (redis) => {
        const fields = (await redis.call('SENTINEL', 'MASTER', 'main')) as string[];
        const valueOf = (name: string) => fields[fields.indexOf(name) + 1];
        return valueOf('num-slaves') === '1' && valueOf('num-other-sentinels') === '2';
      }),
    );
  }
  const servers = [primary, replica, ...sentinels];
  return {
    url: `redis-sentinel://${sentinels.map(hostOf).join(',')}/0#main`,
    servers,
    async primary() {
      const [, at] = (await withRedis(sentinels[0].url, (redis) =>
        redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main'),
      )) as string[];
      return at === port ? primary : replica;
    },
    stop: () => stopAll(servers),
  };
}
