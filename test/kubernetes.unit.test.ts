/**
 * The manifests of deploy/kubernetes/ are held to the schema of the objects that they use, as far
 * as they use it, and to the program: its variables, commands and flags, and how long it takes to end.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { exitCodes } from '../src/cli/io.js';
import { runProgram } from '../src/cli/program.js';
import { variableTable } from '../src/config.js';
import { webhook } from '../src/server/routes/webhook.js';

const folder = new URL('../deploy/kubernetes/', import.meta.url);
const objects = readdirSync(folder).flatMap((name) =>
  parseAllDocuments(readFileSync(new URL(name, folder), 'utf8')).map(
    (document) => document.toJS() as { kind: string; metadata: { name: string } },
  ),
);

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const labels = z.record(z.string().regex(/^[\w./-]+$/), z.string().max(63));
const selector = z.strictObject({ matchLabels: labels });
const metadata = z.strictObject({ name, labels: labels.optional() });
const quantity = z.string().regex(/^\d+(m|Mi)?$/);
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.enum(['/livez', '/readyz']), port: z.literal('metrics') }),
  initialDelaySeconds: z.int().optional(),
  periodSeconds: z.int().min(1),
  timeoutSeconds: z.int().min(1),
});
const portName = z.enum(['metrics', 'http']);
const container = z.strictObject({
  name,
  image: z.string(),
  args: z.array(z.string()).min(1),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name }) })).min(1),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ memory: quantity }),
  }),
  ports: z.array(z.strictObject({ name: portName, containerPort: z.int().max(65_535) })).optional(),
  lifecycle: z
    .strictObject({
      preStop: z.strictObject({ exec: z.strictObject({ command: z.array(z.string()).min(1) }) }),
    })
    .optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  volumeMounts: z.array(
    z.strictObject({ name, mountPath: z.string(), readOnly: z.boolean().optional() }),
  ),
});
const pod = z.strictObject({
  metadata: z.strictObject({ labels, annotations: labels.optional() }),
  spec: z.strictObject({
    restartPolicy: z.enum(['Never', 'OnFailure']).optional(),
    automountServiceAccountToken: z.literal(false),
    terminationGracePeriodSeconds: z.int().optional(),
    securityContext: z.strictObject({
      runAsNonRoot: z.literal(true),
      runAsUser: z.literal(1000),
      runAsGroup: z.literal(1000),
      fsGroup: z.literal(1000),
      seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
    }),
    containers: z.array(container).length(1),
    volumes: z.array(
      z.union([
        z.strictObject({
          name,
          secret: z.strictObject({
            secretName: name,
            defaultMode: z.literal(0o440),
            items: z.array(z.strictObject({ key: name, path: name })).optional(),
          }),
        }),
        z.strictObject({ name, emptyDir: z.strictObject({}) }),
      ]),
    ),
  }),
});
const jobSpec = z.strictObject({
  backoffLimit: z.int(),
  ttlSecondsAfterFinished: z.int().optional(),
  template: pod,
});
const port = z.strictObject({ port: z.int().max(65_535), protocol: z.enum(['TCP', 'UDP']) });

const ingressPath = z.strictObject({
  path: z.string().startsWith('/'),
  pathType: z.enum(['Exact', 'Prefix']),
  backend: z.strictObject({
    service: z.strictObject({ name, port: z.strictObject({ name: portName }) }),
  }),
});

function object<Kind extends string, Rest extends z.ZodRawShape>(
  apiVersion: string,
  kind: Kind,
  rest: Rest,
) {
  return z.strictObject({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind),
    metadata,
    ...rest,
  });
}

const configMap = object('v1', 'ConfigMap', { data: z.record(z.string(), z.string()) });
const deployment = object('apps/v1', 'Deployment', {
  spec: z.strictObject({ replicas: z.int(), selector, template: pod }),
});
const networkPolicy = object('networking.k8s.io/v1', 'NetworkPolicy', {
  spec: z.strictObject({
    podSelector: selector,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
    ingress: z.array(z.strictObject({ ports: z.array(port) })),
    egress: z.array(z.strictObject({ ports: z.array(port) })).optional(),
  }),
});
const service = object('v1', 'Service', {
  spec: z.strictObject({
    selector: labels,
    ports: z.array(
      z.strictObject({ name: portName, port: z.int().max(65_535), targetPort: portName }),
    ),
  }),
});
const ingress = object('networking.k8s.io/v1', 'Ingress', {
  spec: z.strictObject({
    tls: z.array(z.strictObject({ hosts: z.array(z.string()), secretName: name })),
    rules: z.array(
      z.strictObject({ host: z.string(), http: z.strictObject({ paths: z.array(ingressPath) }) }),
    ),
  }),
});
const schemas = [
  ...[configMap, deployment, networkPolicy, service, ingress],
  object('policy/v1', 'PodDisruptionBudget', {
    spec: z.strictObject({ maxUnavailable: z.int(), selector }),
  }),
  object('batch/v1', 'Job', { spec: jobSpec }),
  object('batch/v1', 'CronJob', {
    spec: z.strictObject({
      schedule: z.string().regex(/^[\d*]+( [\d*]+){4}$/),
      concurrencyPolicy: z.literal('Forbid'),
      jobTemplate: z.strictObject({ spec: jobSpec }),
    }),
  }),
];

/** The one of the kind of this schema that has the name. */
function find<Schema extends (typeof schemas)[number]>(schema: Schema, called: string) {
  const found = objects.filter(
    ({ kind, metadata: { name: own } }) => kind === schema.shape.kind.value && own === called,
  );
  expect(found, called).toHaveLength(1);
  return schema.parse(found[0]) as z.infer<Schema>;
}

test.each(objects)('the $kind is one, and is hardened where it runs anything', (each) => {
  const schema = schemas.find(({ shape }) => shape.kind.value === each.kind);
  expect(schema?.safeParse(each).error?.issues ?? schema).toBe(schema);
});

const isPod = (each: unknown): each is z.infer<typeof pod> => pod.safeParse(each).success;

function podsIn(each: unknown): z.infer<typeof pod>[] {
  if (isPod(each)) return [each];
  return typeof each === 'object' && each !== null ? Object.values(each).flatMap(podsIn) : [];
}
const pods = podsIn(objects);

test('each pod runs a command that exists, with its flags, and has the volumes that it mounts', async () => {
  expect(pods.map(({ spec }) => spec.containers[0]?.args[0]).sort()).toEqual([
    'migrate',
    'prune',
    'serve',
    'worker',
  ]);
  for (const { spec } of pods) {
    const [first] = spec.containers;
    const args = first?.args ?? [];
    const volumeMounts = first?.volumeMounts ?? [];
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const io = { stdin, stdout, stderr, env: {}, signals: process, exitCode: exitCodes.ok };
    await runProgram([args[0] ?? '', '--help'], io, () => ({}));
    stdout.end();
    const help = await text(stdout);
    for (const flag of args.filter((arg) => arg.startsWith('--'))) expect(help).toContain(flag);
    expect(volumeMounts.map((mount) => mount.name)).toEqual(
      spec.volumes.map((volume) => volume.name),
    );
  }
});

test('a selector finds the pods of its own, and no others', () => {
  const finds = (wanted: Record<string, string>) =>
    pods
      .filter(({ metadata: { labels: own } }) =>
        Object.entries(wanted).every(([label, value]) => own[label] === value),
      )
      .map(({ spec }) => spec.containers[0]?.name);
  for (const each of ['worker', 'serve']) {
    const { selector: own, template } = find(deployment, `room-reaper-${each}`).spec;
    expect(finds(own.matchLabels)).toEqual([each]);
    expect(template.metadata.labels).toEqual(own.matchLabels);
  }
  expect(finds(find(service, 'room-reaper-serve').spec.selector)).toEqual(['serve']);
  const policies = ['room-reaper', 'room-reaper-serve'].map((each) => find(networkPolicy, each));
  const held = policies.map(({ spec }) => finds(spec.podSelector.matchLabels).sort());
  expect(held).toEqual([['migrate', 'prune', 'serve', 'worker'], ['serve']]);
});

/** The variables of a pod, as the ConfigMaps give them: what comes later counts. */
function variablesOf({ spec }: z.infer<typeof pod>): Record<string, string> {
  const maps = spec.containers[0]?.envFrom.map(({ configMapRef }) => configMapRef.name) ?? [];
  return Object.assign({}, ...maps.map((each) => find(configMap, each).data)) as Record<
    string,
    string
  >;
}

const worker = find(deployment, 'room-reaper-worker').spec.template;
const serve = find(deployment, 'room-reaper-serve').spec.template;

test('a worker may take the 15 s that it needs to end, and serve its 10 s after the last request', () => {
  expect(worker.spec.terminationGracePeriodSeconds).toBeGreaterThan(15);
  const [, seconds] = serve.spec.containers[0]?.lifecycle?.preStop.exec.command ?? [];
  expect(serve.spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + 10);
});

test('each is asked on the ports that it is told to listen on, and nobody reaches another', () => {
  const ports = (of: z.infer<typeof pod>) => of.spec.containers[0]?.ports;
  const reached = (policy: string) =>
    find(networkPolicy, policy).spec.ingress.flatMap((each) => each.ports.map((at) => at.port));
  const told = Number(variablesOf(worker)['METRICS_PORT']);
  expect(ports(worker)).toEqual([{ name: 'metrics', containerPort: told }]);
  const { METRICS_PORT, SERVE_PORT } = variablesOf(serve);
  expect(ports(serve)).toEqual([
    { name: 'http', containerPort: Number(SERVE_PORT) },
    { name: 'metrics', containerPort: Number(METRICS_PORT) },
  ]);
  for (const { metadata } of [worker, serve])
    expect(metadata.annotations?.['prometheus.io/port']).toBe(String(told));
  expect(reached('room-reaper')).toEqual([told]);
  expect(reached('room-reaper-serve')).toEqual([Number(SERVE_PORT)]);
});

test('serve serves the names that lead to it, and the API reaches the webhook alone', () => {
  const { SERVE_ALLOWED_HOSTS } = variablesOf(serve);
  const { rules, tls } = find(ingress, 'room-reaper-webhook').spec;
  const { metadata, spec } = find(service, 'room-reaper-serve');
  expect(SERVE_ALLOWED_HOSTS?.split(', ')).toEqual([
    metadata.name,
    ...rules.map(({ host }) => host),
  ]);
  expect(tls.flatMap(({ hosts }) => hosts)).toEqual(rules.map(({ host }) => host));
  expect(rules.flatMap(({ http }) => http.paths)).toEqual([
    {
      ...{ path: webhook.path, pathType: 'Exact' },
      backend: { service: { name: metadata.name, port: { name: spec.ports[0]?.name } } },
    },
  ]);
});

test('the configuration of each is valid, of files that are mounted, and serve has no secret key', () => {
  const known: string[] = variableTable.map((row) => row.name);
  for (const of of pods) {
    const variables = variablesOf(of);
    expect(Object.keys(variables).filter((key) => !known.includes(key))).toEqual([]);
    for (const secret of ['TENCENT_SECRET_KEY', 'TENCENT_WEBHOOK_TOKEN', 'QUEUE_URL'])
      expect(Object.keys(variables)).not.toContain(secret);
    expect(Object.keys(variables)).not.toContain('DATABASE_URL');
    const mounted = filesIn(of);
    const named = Object.entries(variables).filter(
      ([key, file]) => key.endsWith('_FILE') && file !== '',
    );
    for (const [, file] of named) expect(file).toSatisfy(mounted);
  }
  expect(filesIn(serve)('/run/secrets/room-reaper/secret-key')).toBe(false);
});

/** Whether a file is in one of the secrets of a pod. */
function filesIn({ spec }: z.infer<typeof pod>): (file: string) => boolean {
  return (file) =>
    spec.volumes.some((volume) => {
      const mount = spec.containers[0]?.volumeMounts.find((each) => each.name === volume.name);
      if (!('secret' in volume) || mount === undefined) return false;
      const { items } = volume.secret;
      const key = file.slice(mount.mountPath.length + 1);
      return (
        file === `${mount.mountPath}/${key}` &&
        (items === undefined || items.some(({ path }) => path === key))
      );
    });
}
