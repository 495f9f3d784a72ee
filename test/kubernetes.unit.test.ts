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

const folder = new URL('../deploy/kubernetes/', import.meta.url);
const objects = readdirSync(folder).flatMap((name) =>
  parseAllDocuments(readFileSync(new URL(name, folder), 'utf8')).map(
    (document) => document.toJS() as { kind: string },
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
const container = z.strictObject({
  name,
  image: z.string(),
  args: z.array(z.string()).min(1),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name }) })),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ memory: quantity }),
  }),
  ports: z
    .array(z.strictObject({ name: z.literal('metrics'), containerPort: z.int().max(65_535) }))
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
          secret: z.strictObject({ secretName: name, defaultMode: z.literal(0o440) }),
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

function object<Spec extends z.ZodRawShape>(apiVersion: string, kind: string, rest: Spec) {
  return z.strictObject({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind),
    metadata,
    ...rest,
  });
}

const schemas = [
  object('v1', 'ConfigMap', { data: z.record(z.string(), z.string()) }),
  object('apps/v1', 'Deployment', {
    spec: z.strictObject({ replicas: z.int(), selector, template: pod }),
  }),
  object('policy/v1', 'PodDisruptionBudget', {
    spec: z.strictObject({ maxUnavailable: z.int(), selector }),
  }),
  object('networking.k8s.io/v1', 'NetworkPolicy', {
    spec: z.strictObject({
      podSelector: selector,
      policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
      ingress: z.array(z.strictObject({ ports: z.array(port) })),
      egress: z.array(z.strictObject({ ports: z.array(port) })),
    }),
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

test('a selector finds the pods of its own', () => {
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as unknown as {
    spec: { selector: z.infer<typeof selector>; template: z.infer<typeof pod> };
  };
  const { matchLabels } = deployment.spec.selector;
  expect(deployment.spec.template.metadata.labels).toEqual(matchLabels);
  for (const { metadata } of pods)
    expect(metadata.labels['app.kubernetes.io/name']).toBe('room-reaper');
});

test('a worker may take the 15 s that it needs to end', () => {
  const worker = pods.find(({ spec }) => spec.containers[0]?.name === 'worker');
  expect(worker?.spec.terminationGracePeriodSeconds).toBeGreaterThan(15);
});

test('a worker is asked on the port that it is told to listen on, and nobody reaches another', () => {
  const map = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as {
    data: Record<string, string>;
  };
  const policy = objects.find(({ kind }) => kind === 'NetworkPolicy') as unknown as {
    spec: { ingress: { ports: { port: number }[] }[] };
  };
  const worker = pods.find(({ spec }) => spec.containers[0]?.name === 'worker');
  const told = Number(map.data['METRICS_PORT']);
  expect(worker?.spec.containers[0]?.ports).toEqual([{ name: 'metrics', containerPort: told }]);
  expect(worker?.metadata.annotations?.['prometheus.io/port']).toBe(String(told));
  const reached = policy.spec.ingress.flatMap(({ ports }) => ports.map((each) => each.port));
  expect(reached).toEqual([told]);
});

test('the ConfigMap has variables that exist, and no secret', () => {
  const map = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as {
    data: Record<string, string>;
  };
  const known: string[] = variableTable.map((row) => row.name);
  expect(Object.keys(map.data).filter((key) => !known.includes(key))).toEqual([]);
  for (const secret of ['TENCENT_SECRET_KEY', 'QUEUE_URL', 'DATABASE_URL'])
    expect(Object.keys(map.data)).not.toContain(secret);
});
