/**
 * Loaded into a process under measurement (`node --import`): tells the benchmark what CPU
 * time the process has used, and ends it where the benchmark is gone.
 */
process.on('message', (message) => {
  if (message === 'cpu') process.send?.(process.cpuUsage());
});
process.on('disconnect', () => process.exit());
// The channel alone must not keep a stopped worker alive.
process.channel?.unref();
