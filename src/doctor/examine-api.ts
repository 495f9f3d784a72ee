/** The way to the API, step by step: each step is tried where the one before it was well. */
import type { InspectedConfig } from '../config.js';
import {
  callSigned,
  judgeCall,
  judgeReached,
  judgeUnreached,
  reach,
  type Reached,
} from './endpoint.js';
import { problem, warning, type Finding } from './finding.js';
import { checkLimitMs, reasonOf, within } from '../time-limit.js';

export interface ExaminedApi {
  endpoint: Finding[];
  signature: Finding[];
  clockOffsetMs: number | undefined;
}

export async function examineApi(
  { config }: InspectedConfig,
  nowMs: () => number,
): Promise<ExaminedApi> {
  const { endpoint, credentials, proxy, requestTimeoutMs } = config;
  const untried = (why: string, findings: Finding[]): ExaminedApi => ({
    endpoint: findings,
    signature: [warning(`not tried: ${why}`)],
    clockOffsetMs: undefined,
  });
  if (endpoint === undefined) {
    const wrong = 'TENCENT_ENDPOINT or TENCENT_REGION is wrong';
    return untried(wrong, [warning(`not looked at: ${wrong}`)]);
  }
  let reached: Reached;
  try {
    reached = await within(3 * checkLimitMs, reach(endpoint, proxy));
  } catch (error) {
    return untried('the endpoint cannot be reached', [judgeUnreached(error, endpoint, proxy)]);
  }
  const findings = judgeReached(reached, endpoint, nowMs(), proxy);
  if (reached.certificate?.distrust !== undefined) {
    return untried('the certificate is not trusted, so no signature is sent', findings);
  }
  if (credentials === undefined) {
    return untried('there is no complete set of credentials', findings);
  }
  try {
    // The client has a limit of its own, within checkLimitMs but for its last look after a stall.
    const call = await within(
      2 * checkLimitMs,
      callSigned(endpoint, credentials, requestTimeoutMs ?? checkLimitMs, proxy),
    );
    return { endpoint: findings, signature: [judgeCall(call)], clockOffsetMs: call.clockOffsetMs };
  } catch (error) {
    const unanswered = problem(
      `the API gave no usable answer: ${reasonOf(error)}`,
      'run doctor again; if it stays, check TENCENT_ENDPOINT and any proxy on the way',
    );
    return { endpoint: findings, signature: [unanswered], clockOffsetMs: undefined };
  }
}
