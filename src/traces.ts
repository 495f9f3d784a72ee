/**
 * What a service that traces is told of the calls that this program makes. Only the API of
 * OpenTelemetry is here: the SDK is brought by whoever runs the process, and without one nothing
 * is made.
 */
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';

/** The SDK's own key: in such a context it makes no spans. Source: `suppressTracing` of @opentelemetry/core. */
const suppressTracing = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

const untracedContext = ROOT_CONTEXT.setValue(suppressTracing, true);

/**
 * Makes a call of which no instrumentation makes spans: its URL holds a secret, or a span of our
 * own tells of it.
 */
export function untraced<Result>(call: () => Result): Result {
  return context.with(untracedContext, call);
}
