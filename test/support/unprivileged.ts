/**
 * Runs `act` as a user who may not do everything: root, who runs the tests in containers
 * and on CI, becomes `nobody` for as long as it takes.
 */
export async function unprivileged<R>(act: () => Promise<R>): Promise<R> {
  if (process.getuid?.() !== 0 || process.seteuid === undefined) return act();
  process.seteuid('nobody');
  try {
    return await act();
  } finally {
    process.seteuid(0);
  }
}
